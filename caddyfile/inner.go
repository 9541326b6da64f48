package caddyfile

import "strings"

// belongs says of a word that is unknown in the block called in where it is one,
// or nothing.
func belongs(text, in string) string {
	here, ok := roomOf(in)
	if !ok {
		return ""
	}
	if in == "service_account" && (text == "username" || text == "password") {
		return ": name and secret stand on the line itself: write " + accountUsage
	}
	where := here.leads(text)
	if where != "" && insideSite(in) && isDirective(text) {
		where += "; or is a } missing before it?"
	}
	return where
}

// leads says where a word that is none of this room goes: behind a word, into a
// block within another, or into one that stands by itself.
func (r room) leads(word string) string {
	var ways, blocks, whole []string
	for _, other := range r.others(word) {
		switch {
		case other.behind:
			usage, _, _ := strings.Cut(other.usage(word), ", or with a block")
			ways = append(ways, "behind "+other.called(r)+", as "+usage)
		case other.tree != "" && len(blocks) > 0 && other.tree != r.root():
			blocks = append(blocks, ", or "+other.called(r))
		case other.tree != "" && len(blocks) > 0:
			blocks = append(blocks, " or "+other.called(r))
		case other.tree != "":
			blocks = append(blocks, other.called(r))
		default:
			whole = append(whole, wholeBlocks[other.name])
		}
	}
	if len(blocks) > 0 {
		ways = append(ways, "into the block "+strings.Join(blocks, "")+", on a line of its own")
	}
	if ways = append(ways, whole...); len(ways) == 0 {
		return ""
	}
	return ": it belongs " + strings.Join(ways, ", or ")
}

// wholeBlocks are the blocks that stand in no other of ours.
var wholeBlocks = map[string]string{
	siteBlock:      "into the site's block windows_auth",
	directoryBlock: "into the directory's own block",
	globalBlock:    "into the block windows_auth among the global options",
}

// called is the name of a room for somebody who is in another.
func (r room) called(from room) string {
	name := r.name
	if name == "service_account" {
		name += " kerberos"
	}
	switch {
	case r.root() == from.root():
		return name
	case r.root() == directoryBlock:
		return name + " of the directory"
	}
	return name + " of the site's windows_auth"
}
