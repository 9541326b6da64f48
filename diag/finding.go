package diag

import (
	"fmt"
	"io"
	"strings"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// verdicts are how the verdicts are written.
var verdicts = map[policy.Verdict]string{
	policy.Fits:    "fits",
	policy.FitsNot: "does not",
	policy.Unknown: "unknown",
	policy.Unseen:  "unseen",
}

// tell writes what each line of a rule says of an account.
func tell(out io.Writer, f *policy.Finding, depth int) {
	text := f.Rule
	if f.Why != "" {
		text += ": " + f.Why
	}
	say(out, "%s%-8s  %s\n", strings.Repeat("  ", depth), verdicts[f.Verdict], text)
	for i := range f.Lines {
		tell(out, &f.Lines[i], depth+1)
	}
}

// missing says of groups that a directory does not have them, or none that count.
func missing(d *caddyldap.Directory, names []policy.NamedGroup, found []caddyldap.Presence) []string {
	var lines []string
	for i, name := range names {
		switch found[i] {
		case caddyldap.GroupAbsent:
			lines = append(lines, fmt.Sprintf("there is no group %s in %s, or whoever searches may not see it, or the filter of group leaves it out", name.Text, d.Name()))
		case caddyldap.GroupDistribution:
			lines = append(lines, fmt.Sprintf("%s is a distribution group of %s, which is in no access token: make it a security group", name.Text, d.Name()))
		case caddyldap.GroupPresent:
		}
	}
	return lines
}
