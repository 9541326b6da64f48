package caddyfile

import "slices"

// room is a block with its words, or what stands behind a word: require and
// verify have words of their own.
type room struct {
	// name is what errors call it.
	name string
	// tree is the block that it stands in, nothing for one that stands in none.
	tree  string
	words []string
	// behind says that its words follow the name on its line; usage is how.
	behind bool
	usage  func(word string) string
}

const (
	siteBlock      = "windows_auth"
	directoryBlock = "directory"
	globalBlock    = "the global option windows_auth"
)

// rooms are all of them: the one table of where each word stands.
func rooms() []room {
	return []room{
		{name: globalBlock, words: globalWords().list()},
		{name: "store memory", tree: globalBlock, words: memoryWords().list()},
		{name: "store redis", tree: globalBlock, words: redisWords().list()},
		{name: siteBlock, words: handlerWords().list()},
		{name: "session", tree: siteBlock, words: sessionWords().list()},
		{name: "throttle", tree: siteBlock, words: throttleWords().list()},
		{name: "login", tree: siteBlock, words: loginWords().list()},
		{name: "totp", tree: siteBlock, words: totpWords().list()},
		{name: "require", tree: siteBlock, words: ruleWords().list(), behind: true, usage: func(word string) string { return "require " + ruleWords()[word].usage }},
		{name: directoryBlock, words: directoryWords().list()},
		{name: "server", tree: directoryBlock, words: serverWords().list()},
		{name: "service_account", tree: directoryBlock, words: accountWords().list()},
		{name: "tls", tree: directoryBlock, words: tlsWords().list()},
		{name: "user", tree: directoryBlock, words: userWords().list()},
		{name: "group", tree: directoryBlock, words: groupWords().list()},
		{name: "timeout", tree: directoryBlock, words: timeoutWords().list()},
		{name: "cache", tree: directoryBlock, words: cacheWords().list()},
		{name: "pool", tree: directoryBlock, words: poolWords().list()},
		{name: "map", tree: directoryBlock, words: []string{"fallback"}},
		{name: "verify", tree: directoryBlock, words: verifierWords().list(), behind: true, usage: func(word string) string { return verifierWords()[word].usage }},
		{name: "verify keytab", tree: directoryBlock, words: keytabWords().list()},
		{name: "verify kerberos_password", tree: directoryBlock, words: kerberosPasswordWords().list()},
	}
}

// roomOf is the room of the block called in: an ldap block is a directory, and
// the blocks of a rule hold what stands behind require.
func roomOf(in string) (room, bool) {
	switch in {
	case "ldap":
		in = directoryBlock
	case "all", "any", "none":
		in = "require"
	case "require":
		return room{}, false // a name follows it as often, that of a group
	}
	all := rooms()
	i := slices.IndexFunc(all, func(r room) bool { return r.name == in })
	if i < 0 || all[i].behind && in == "verify" {
		return room{}, false
	}
	return all[i], true
}

// root is the outermost block around it.
func (r room) root() string {
	if r.tree == "" {
		return r.name
	}
	return r.tree
}

// others are the rooms that have the word and could be meant by whoever writes
// it in r: those of the same outermost block where there are any. A site is
// beside its directory. What stores are told, the name and password of a server
// of theirs, nobody means elsewhere.
func (r room) others(word string) []room {
	var near, far []room
	for _, other := range rooms() {
		switch {
		case other.name == r.name, !slices.Contains(other.words, word):
		case other.tree == globalBlock && r.root() != globalBlock:
		case r.name == directoryBlock && word == "attribute": // it is more likely attributes
		case other.root() == r.root(), r.root() == siteBlock && other.root() == directoryBlock:
			near = append(near, other)
		default:
			far = append(far, other)
		}
	}
	if len(near) > 0 {
		return near
	}
	return far
}
