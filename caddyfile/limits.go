package caddyfile

import (
	"strconv"

	"github.com/dustin/go-humanize"

	"github.com/caddy-ntlm/caddy-ntlm/caddyntlm"
)

// limitWords are the lines of a windows_auth block that bound what strangers
// can hold, and what passes without an identity or through a proxy.
func limitWords() words[handler] {
	return words[handler]{
		"handshake_timeout": {usage: "handshake_timeout <duration>", least: 1, most: 1, parse: readHandshakeTimeout},
		"max_body":          {usage: "max_body <size>", least: 1, most: 1, parse: readMaxBody},
		"max_pending":       {usage: maxPendingUsage, least: 1, most: 2, parse: readMaxPending},
		"throttle":          {usage: throttleUsage, most: 1, block: true, parse: readThrottle},
		"allow_preflight":   {usage: "allow_preflight", parse: readAllowPreflight},
		"one_to_one":        {usage: "one_to_one <cidr>…", least: 1, most: -1, many: true, parse: readOneToOne},
	}
}

func readHandshakeTimeout(a *handler, l line) (err error) {
	a.HandshakeTimeout, err = readDuration(l, seconds)
	return err
}

// readMaxBody takes sizes as Caddy's request_body takes them: 8MiB, 512KB or a
// number of bytes.
func readMaxBody(a *handler, l line) error {
	size, err := humanize.ParseBytes(l.args[0].Text)
	if err != nil || size == 0 || size > 1<<40 {
		return errorAt(l.args[0], "%s is not a size above zero such as 8MiB or 512KB", short(l.args[0].Text))
	}
	a.MaxBody = int64(size)
	return nil
}

const maxPendingUsage = "max_pending <total> [<per-address>]"

func readMaxPending(a *handler, l line) error {
	a.MaxPending = new(caddyntlm.MaxPending)
	for i, to := range []*int64{&a.MaxPending.Total, &a.MaxPending.PerAddress}[:len(l.args)] {
		n, err := strconv.ParseInt(l.args[i].Text, 10, 32)
		if err != nil || n <= 0 {
			return errorAt(l.args[i], "%s is not a number above zero: write %s", short(l.args[i].Text), maxPendingUsage)
		}
		*to = n
	}
	if a.MaxPending.PerAddress > a.MaxPending.Total {
		return errorAt(l.args[1], "%s for one address is more than the %s in all: write %s", l.args[1].Text, l.args[0].Text, maxPendingUsage)
	}
	return nil
}

func readAllowPreflight(a *handler, _ line) error {
	a.AllowPreflight = true
	return nil
}

func readOneToOne(a *handler, l line) error {
	for _, arg := range l.args {
		if _, err := caddyntlm.ParseOneToOne(arg.Text); err != nil {
			return errorAt(arg, "%w", err)
		}
		a.OneToOne = append(a.OneToOne, arg.Text)
	}
	return nil
}
