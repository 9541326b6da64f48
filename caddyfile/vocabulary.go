package caddyfile

import (
	"slices"
	"strings"
)

// Words lists every word there is, those of a block after the block's own with
// a dot: "server", "tls.trust_pool", "require.all". The words of the block
// directory are those of ldap.
func Words() []string {
	all := append([]string{"ldap", "windows_auth", "store.memory", "store.redis"}, matcherWords().list()...)
	for _, r := range rooms() {
		switch {
		case r.name == "map": // its words are the attributes of a directory
		case r.tree == "":
			all = append(all, r.words...)
		default:
			all = append(all, r.dotted()...)
		}
	}
	slices.Sort(all)
	return all
}

// dotted are the words of a block, after its name.
func (r room) dotted() []string {
	block := strings.ReplaceAll(r.name, " ", ".")
	names := make([]string, len(r.words))
	for i, name := range r.words {
		names[i] = block + "." + name
	}
	return names
}
