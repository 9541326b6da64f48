package caddyfile

import (
	"strconv"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
)

// What a directory keeps: connections and identities.

// poolWords are the lines of a pool block.
func poolWords() words[caddyldap.Pool] {
	return words[caddyldap.Pool]{
		"size": {usage: "size <connections>", least: 1, most: 1, parse: func(p *caddyldap.Pool, l line) (err error) {
			if p.Size, err = readCount(l, "8"); err != nil {
				return err
			}
			return checkAlone(l.args[0], &caddyldap.Directory{Pool: p})
		}},
		"idle": {usage: "idle <duration>", least: 1, most: 1, parse: func(p *caddyldap.Pool, l line) (err error) {
			p.Idle, err = readDuration(l, minutes)
			return err
		}},
	}
}

func readPool(d *directory, l line) error {
	d.Pool = new(caddyldap.Pool)
	return poolWords().read(d.Pool, "pool", l.block)
}

// cacheWords are the lines of a cache block.
func cacheWords() words[caddyldap.Cache] {
	return words[caddyldap.Cache]{
		"ttl": {usage: "ttl <duration>", least: 1, most: 1, parse: func(c *caddyldap.Cache, l line) (err error) {
			if c.TTL, err = readDuration(l, minutes); err != nil {
				return err
			}
			return checkAlone(l.args[0], &caddyldap.Directory{Cache: &caddyldap.Cache{TTL: c.TTL}})
		}},
		"stale": {usage: "stale <duration>", least: 1, most: 1, parse: func(c *caddyldap.Cache, l line) (err error) {
			c.Stale, err = readDuration(l, minutes)
			return err
		}},
		"size": {usage: "size <identities>", least: 1, most: 1, parse: func(c *caddyldap.Cache, l line) (err error) {
			c.Size, err = readCount(l, "100000")
			return err
		}},
	}
}

func readCache(d *directory, l line) error {
	d.Cache = new(caddyldap.Cache)
	if err := cacheWords().read(d.Cache, "cache", l.block); err != nil {
		return err
	}
	return checkAlone(l.word, &caddyldap.Directory{Cache: d.Cache})
}

// readCount reads a whole number above zero.
func readCount(l line, example string) (int, error) {
	n, err := strconv.Atoi(l.args[0].Text)
	if err != nil || n <= 0 {
		return 0, errorAt(l.args[0], "%s is not a whole number above zero such as %s", short(l.args[0].Text), example)
	}
	return n, nil
}
