package integration

import (
	"testing"
)

// TestAttributeUnderAnotherName: OpenLDAP answers about rfc822Mailbox with mail, and
// about name with sn, cn and more. What came so is not absent, and what nobody has
// still is.
func TestAttributeUnderAnotherName(t *testing.T) {
	server := openLDAP(t)
	const roles = "\nmap {\nfallback guest\nrfc822Mailbox anna@example.org outsider\n}"
	for name, c := range map[string]struct {
		words, none string
		status      int
	}{
		"its other name":          {"", "attribute rfc822Mailbox anna@example.org", 403},
		"its number":              {"", "attribute 0.9.2342.19200300.100.1.3 anna@example.org", 403},
		"of all its subtypes":     {"", "attribute name anna", 403},
		"in a map":                {roles, "role outsider", 403},
		"beside one of no value":  {"", "attribute rfc822Mailbox anna@example.org\nattribute employeeNumber 7", 403},
		"its own name":            {"", "attribute mail anna@example.org", 403},
		"its own name, unlike":    {"", "attribute mail other@example.org", 200},
		"nobody has it":           {"", "attribute employeeNumber 7", 200},
		"nobody has it, two":      {"", "attribute employeeNumber 7\nattribute roomNumber 8", 200},
		"the server knows it not": {"", "attribute msDS-parentDistName x", 200},
	} {
		t.Run(name, func(t *testing.T) {
			s := people(t, server, serviceWords+c.words, "\t\trequire all {\nvalid-user\nnone {\n"+c.none+"\n}\n}")
			if got := curl(t, "--basic", "-u", "anna:Secr3t-anna", s.HTTP+"/"); got.Status != c.status {
				t.Errorf("got %d %s, reason %s, want %d", got.Status, got.Body, s.reason(t), c.status)
			}
		})
	}
}
