package caddyfile

import (
	"encoding/json"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
	"github.com/caddy-ntlm/caddy-ntlm/caddyntlm"
)

var globalUsage = blockUsage("windows_auth", "store memory|redis <url>")

// globalWords are the lines of the global option windows_auth.
func globalWords() words[caddyntlm.App] {
	return words[caddyntlm.App]{
		"store": {usage: storeUsage, least: 1, most: 2, block: true, parse: readStore},
	}
}

// parseGlobal reads the global option, what all sites share:
//
//	windows_auth {
//		store memory [{ size <values> }]
//		store redis <url> [{
//			username <name>
//			password <secret>
//			trust_pool <module> …
//		}]
//	}
func parseGlobal(d *caddyfile.Dispenser, existing any) (any, error) {
	d.Next()
	l, err := readLine(d.NextSegment())
	switch {
	case err != nil:
		return nil, err
	case existing != nil:
		return nil, errorAt(l.word, "windows_auth stands twice among the global options: write the lines of both into one block")
	case len(l.args) > 0:
		return nil, errorAt(l.word, "windows_auth among the global options takes no arguments, found %d: write %s; the directive that lets people in stands in a site", len(l.args), globalUsage)
	case l.block == nil:
		return nil, errorAt(l.word, "windows_auth among the global options needs a block with something in it: write %s", globalUsage)
	}
	app := new(caddyntlm.App)
	if err := globalWords().read(app, "the global option windows_auth", l.block); err != nil {
		return nil, err
	}
	document, err := json.Marshal(app)
	if err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "windows_auth", Value: document}, nil
}

const (
	storeUsage = "store memory, or store redis <url>"
	redisUsage = "store redis <url>"
)

// readStore shows none of its arguments in an error but the store's name: a password may
// stand in a URL.
func readStore(a *caddyntlm.App, l line) error {
	name := l.args[0]
	var module any
	var err error
	switch {
	case name.Text == "memory":
		module, err = readMemoryStore(l)
	case name.Text == "redis":
		module, err = readRedisStore(l)
	case strings.Contains(name.Text, "://"):
		return errorAt(name, "a URL where the store's name stands: write %s", redisUsage)
	default:
		return unknown(name, "store", "store", []string{"memory", "redis"})
	}
	if err != nil {
		return err
	}
	var warnings []caddyconfig.Warning
	a.StoreRaw = caddyconfig.JSONModuleObject(module, "store", name.Text, &warnings)
	return nil
}

// memoryWords are the lines of a store memory block.
func memoryWords() words[caddyntlm.MemoryStore] {
	return words[caddyntlm.MemoryStore]{
		"size": {usage: "size <values>", least: 1, most: 1, parse: func(m *caddyntlm.MemoryStore, l line) (err error) {
			m.Size, err = readCount(l, "100000")
			return err
		}},
	}
}

func readMemoryStore(l line) (*caddyntlm.MemoryStore, error) {
	if len(l.args) > 1 {
		return nil, errorAt(l.word, "store memory takes no arguments, found %d: write store memory, or %s", len(l.args)-1, redisUsage)
	}
	m := new(caddyntlm.MemoryStore)
	return m, memoryWords().read(m, "store memory", l.block)
}

// redisWords are the lines of a store redis block.
func redisWords() words[caddyntlm.RedisStore] {
	return words[caddyntlm.RedisStore]{
		"username": {usage: "username <name>", least: 1, most: 1, parse: func(r *caddyntlm.RedisStore, l line) error {
			r.Username = l.args[0].Text
			return nil
		}},
		"password": {usage: "password <secret>", least: 1, most: 1, parse: func(r *caddyntlm.RedisStore, l line) error {
			if r.Password = l.args[0].Text; r.Password == "" {
				return errorAt(l.args[0], "the password is empty: leave the line out, or write password {file./run/secrets/redis}")
			}
			return nil
		}},
		"trust_pool": {usage: "trust_pool <module> …", least: 1, most: -1, block: true, parse: func(r *caddyntlm.RedisStore, l line) error {
			t := new(caddyldap.TLS)
			err := readTrustPool(t, l)
			r.TrustPoolRaw = t.TrustPoolRaw
			return err
		}},
	}
}

func readRedisStore(l line) (*caddyntlm.RedisStore, error) {
	if len(l.args) < 2 {
		return nil, errorAt(l.word, "no URL after store redis: write %s; where a {$NAME} stands there, the environment variable is empty or not set", redisUsage)
	}
	r := &caddyntlm.RedisStore{URL: l.args[1].Text}
	if err := r.CheckURL(); err != nil {
		return nil, errorAt(l.args[1], "%w", err)
	}
	if err := redisWords().read(r, "store redis", l.block); err != nil {
		return nil, err
	}
	if err := r.CheckStatic(); err != nil {
		return nil, errorAt(l.word, "%w", err)
	}
	return r, nil
}
