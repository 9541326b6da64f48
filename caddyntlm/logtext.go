package caddyntlm

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// What strangers choose is made harmless before it is written, so that every
// way to show a log is safe: whoever reads JSON lines with jq -r decodes what
// the encoder escaped.

// maxClaimed is how many characters of a claimed name a log line holds.
const maxClaimed = 64

// escapeClaimed writes a claimed name with all that is not printable escaped:
// \xNN for control characters and bytes that are no UTF-8, \uNNNN or \UNNNNNNNN
// for the rest. Backslashes stay single, as in EXAMPLE\alice. An escape is
// never cut in two.
func escapeClaimed(name identity.Name) string { return escape(name.String(), maxClaimed) }

// escape does so with any text, up to room characters.
func escape(text string, room int) string {
	var b strings.Builder
	for text != "" {
		r, size := utf8.DecodeRuneInString(text)
		piece := text[:size]
		switch {
		case r == utf8.RuneError && size == 1, r < ' ', r == 0x7f:
			piece = fmt.Sprintf(`\x%02x`, text[0])
		case strconv.IsPrint(r):
		case r <= 0xffff:
			piece = fmt.Sprintf(`\u%04x`, r)
		default:
			piece = fmt.Sprintf(`\U%08x`, r)
		}
		if room -= utf8.RuneCountInString(piece); room < 0 {
			break
		}
		b.WriteString(piece)
		text = text[size:]
	}
	return b.String()
}

// maxMemberships is how many groups of a user who is denied a log line names.
const maxMemberships = 10

// memberships tells of which groups a user is, for whoever wonders why no rule
// fits.
func memberships(id *identity.Identity) string {
	var names []string
	for _, g := range id.Groups() {
		if g.Name != "" {
			names = append(names, g.Name)
		}
	}
	if len(names) == 0 {
		return unnamed(id)
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(identity.Fold(a), identity.Fold(b)) })
	names = slices.Compact(names)
	if len(names) > maxMemberships {
		names = append(names[:maxMemberships], "…")
	}
	return "the user is in: " + strings.Join(names, ", ")
}

// unnamed tells of the groups of somebody where no group has a name: there is none,
// or nobody looked up what they are called, and rules by name fit none.
func unnamed(id *identity.Identity) string {
	var sids []string
	for _, g := range id.Groups() {
		sids = append(sids, g.SID.String())
	}
	if len(sids) == 0 {
		return "the user is in no group"
	}
	slices.Sort(sids)
	if len(sids) > maxMemberships {
		sids = append(sids[:maxMemberships], "…")
	}
	return "the names of the user's groups are not known, so no rule by a group's name lets anybody in: write a service_account line, which looks them up, or rules by sid; the user is in: " + strings.Join(sids, ", ")
}
