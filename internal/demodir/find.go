package demodir

import (
	"encoding/hex"
	"strings"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// find gives the entry of a base DN, which may be written as <SID=…>,
// [MS-ADTS] 3.1.1.3.1.2.4, or else the answer to send.
func (t *tree) find(base string) (*entry, *result) {
	if inner, ok := cutBrackets(base); ok {
		if e := t.findSID(inner); e != nil {
			return e, nil
		}
		return nil, t.absent("")
	}
	key, err := parseDN(base)
	if err != nil {
		return nil, &result{code: invalidDNSyntax, text: "0000208F: NameErr: DSID-03100225, problem 2006 (BAD_NAME), data 8350, best match of:\n\t'" + base + "'\n"}
	}
	if e := t.byKey[key]; e != nil {
		return e, nil
	}
	return nil, t.absent(key)
}

func cutBrackets(base string) (string, bool) {
	if !strings.HasPrefix(base, "<") || !strings.HasSuffix(base, ">") || len(base) < 2 {
		return "", false
	}
	return base[1 : len(base)-1], true
}

// findSID takes SID=S-1-… and SID=hexadecimal.
func (t *tree) findSID(text string) *entry {
	kind, value, _ := strings.Cut(text, "=")
	if !strings.EqualFold(kind, "SID") {
		return nil
	}
	sid, err := identity.ParseSID(value)
	if err != nil {
		raw, _ := hex.DecodeString(value)
		if sid, err = identity.SIDFromBytes(raw); err != nil {
			return nil
		}
	}
	return t.bySID[sid]
}

// absent is noSuchObject with the nearest entry above that is there.
func (t *tree) absent(key dnKey) *result {
	res := &result{code: noSuchObject}
	for ; key != ""; key = key.parent() {
		if e := t.byKey[key]; e != nil {
			res.matched = e.dn
			break
		}
	}
	res.text = "0000208D: NameErr: DSID-03100241, problem 2001 (NO_OBJECT), data 0, best match of:\n\t'" + res.matched + "'\n"
	return res
}
