# make test is what a newcomer and CI type: it installs what the tests need and
# runs every one, the real Samba domain included.

GO          ?= go
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME    ?= 30s
FUZZLESS    ?= 10s
SOAKTIME    ?= 30m
LAB         ?= /tmp/caddy-ntlm-lab

.PHONY: test deps lint unit demo lab lab-down fuzz mutants soak bench build

test: deps lint unit fuzz

# The packages of Debian that the tests run against: Samba, browsers, clients.
deps:
	integration/deps

lint:
	@test -z "$$(gofmt -l .)" || { gofmt -l . >&2; echo 'gofmt -w these files' >&2; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

unit:
	$(GO) test -race -shuffle=on -timeout 20m ./...

# A protected site and its directory on loopback, to try by hand.
demo:
	$(GO) run ./cmd/caddy windows-auth demo

# Two real domain controllers on loopback, kept up for hand work.
lab: deps
	integration/lab/lab up $(LAB)
	@echo "addresses, accounts and keys: $(LAB)/env; make lab-down stops it"

lab-down:
	integration/lab/lab down $(LAB)

# Each fuzz test of the house, two at a time; part of make test.
fuzz:
	integration/fuzz $(FUZZTIME) $(FUZZLESS)

# Plants faults in a copy of the tree, one at a time: each must turn a test red.
mutants:
	$(GO) run ./integration/mutants

# The crowd of make test for longer.
soak:
	$(GO) test -race -v -run '^TestSoak$$' -timeout 24h ./integration/soak -soak $(SOAKTIME)

# Figures, one a line, as docs/performance.md has them: what is compared is
# measured in one run. It starts the lab's controllers; with the lab of make lab
# up, LAB_DIR=$(LAB) takes that.
bench:
	LAB_DIR="$(LAB_DIR)" $(GO) run ./integration/bench

build:
	$(GO) build -o caddy ./cmd/caddy
