package diag

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// describe tells all that is known of a user, and of each group by which way they
// are in it.
func describe(out io.Writer, id *identity.Identity, paths *caddyldap.Paths) {
	for _, line := range [][2]string{
		{"SID", id.SID.String()}, {"DN", id.DN}, {"UPN", id.UPN}, {"name", id.DisplayName}, {"mail", id.Mail}, {"controller", id.Server},
	} {
		if line[1] != "" {
			say(out, "  %-10s %s\n", line[0], line[1])
		}
	}
	for _, g := range id.Groups() {
		if g.Name == "" && g.SID.IsZero() {
			fmt.Fprintln(out, "  group      one or more that could not be read")
			continue
		}
		text := g.SID.String()
		if g.Name != "" {
			text = strings.TrimSpace(fmt.Sprintf("%s  %s  %s", g.Name, g.DN, text))
		}
		say(out, "  group      %s\n", text)
		if paths != nil {
			say(out, "             %s\n", way(g, paths))
		}
	}
	if paths != nil && paths.Cut {
		fmt.Fprintln(out, "  There are more groups, or deeper ones, than were followed.")
	}
}

// way words how an account comes to a group.
func way(g identity.Group, paths *caddyldap.Paths) string {
	path := paths.Of(g)
	through := strings.Join(path.Through, " > ")
	switch path.Start {
	case caddyldap.StartUnseen:
		if paths.Cut {
			return "by the security token, or further than was followed"
		}
		return "by the security token alone"
	case caddyldap.StartPrimary:
		if through == "" {
			return "primary group"
		}
		return "through " + through + ", which begins with the primary group"
	case caddyldap.StartUID:
		return begin("memberUid", through)
	case caddyldap.StartGID:
		return begin("gidNumber", through)
	case caddyldap.StartMember, caddyldap.StartSID:
	}
	return begin("direct", through)
}

func begin(start, through string) string {
	switch {
	case through == "":
		return start
	case start == "direct":
		return "through " + through
	}
	return "through " + through + ", which begins with " + start
}

// upperFirst begins a sentence.
func upperFirst(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}
