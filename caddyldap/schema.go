package caddyldap

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// The matching rules of Active Directory, [MS-ADTS] 3.1.1.3.4.4, besides inChain.
const (
	bitAnd = "1.2.840.113556.1.4.803"
	bitOr  = "1.2.840.113556.1.4.804"
)

// Values of attributeSyntax that not every text is, [MS-ADTS] 3.1.1.2.2.2.
const (
	syntaxDN      = "2.5.5.1"
	syntaxBoolean = "2.5.5.8"
	syntaxInteger = "2.5.5.9" // Enumeration too
	syntaxLarge   = "2.5.5.16"
)

// senseless says which item of a filter Active Directory cannot judge, nil where
// there is none. It must be asked: Samba takes such an item for untrue instead of
// Undefined, and everybody fits its negation then. Other servers tell of it by
// themselves.
func (d *Directory) senseless(ctx context.Context, c *conn, root rootDSE, terms []policy.FilterTerm) (reason, err error) {
	if !root.ad {
		return nil, nil
	}
	for _, term := range terms {
		syntax, err := d.syntaxOf(ctx, c, root, term.Attribute)
		if err != nil {
			return nil, err
		}
		if reason := judged(term, syntax); reason != nil {
			return reason, nil
		}
	}
	return nil, nil
}

// judged says why no filter can ask that of an attribute with this syntax.
func judged(term policy.FilterTerm, syntax string) error {
	number := syntax == syntaxInteger || syntax == syntaxLarge
	switch {
	case syntax == "":
		return fmt.Errorf("the directory has no attribute %s that filters see", term.Attribute)
	case term.Rule == inChain && syntax != syntaxDN, (term.Rule == bitAnd || term.Rule == bitOr) && !number:
		return fmt.Errorf("the matching rule %s is not for %s", term.Rule, term.Attribute)
	case term.Rule != "" && term.Rule != inChain && term.Rule != bitAnd && term.Rule != bitOr:
		return fmt.Errorf("the directory has no matching rule %s", term.Rule)
	case term.Form == policy.AsksPresence:
		return nil
	}
	partial := term.Form == policy.AsksPart
	switch syntax {
	case syntaxDN:
		if strings.EqualFold(term.Attribute, "objectCategory") { // it has short forms, [MS-ADTS] 3.1.1.3.1.3.5
			return nil
		}
		if partial || !strings.HasPrefix(term.Value, "<") && checkDN(term.Value) != nil {
			return fmt.Errorf("the values of %s are whole DNs, and %.100q is none", term.Attribute, term.Value)
		}
	case syntaxBoolean:
		if term.Value != "TRUE" && term.Value != "FALSE" {
			return fmt.Errorf("the values of %s are TRUE and FALSE", term.Attribute)
		}
	case syntaxInteger, syntaxLarge:
		if _, err := strconv.ParseInt(term.Value, 10, 64); partial || err != nil {
			return fmt.Errorf("the values of %s are numbers, and %.100q is none", term.Attribute, term.Value)
		}
	}
	return nil
}

// syntaxOf is the attributeSyntax of an attribute that filters see, empty where
// there is no such attribute. What was found once is not asked again.
func (d *Directory) syntaxOf(ctx context.Context, c *conn, root rootDSE, name string) (string, error) {
	key := strings.ToLower(name)
	if syntax, known := d.schema.Load(key); known {
		return syntax.(string), nil
	}
	naming := "lDAPDisplayName"
	if key[0] >= '0' && key[0] <= '9' {
		naming = "attributeID"
	}
	// The bit is FLAG_ATTR_IS_CONSTRUCTED, [MS-ADTS] 2.2.10: no filter sees those.
	entries, err := c.search(ctx, "CN=Schema,"+root.config, ldap.ScopeSingleLevel,
		"(&(objectClass=attributeSchema)(!(systemFlags:"+bitAnd+":=4))("+naming+"="+ldap.EscapeFilter(name)+"))", 2, "attributeSyntax")
	if err != nil || len(entries) != 1 {
		return "", err
	}
	syntax := value(entries[0], "attributeSyntax")
	d.schema.Store(key, syntax)
	return syntax, nil
}
