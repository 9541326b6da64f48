package demodir

import (
	"strconv"
	"strings"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// syntax is how the values of an attribute are compared, [MS-ADTS] 3.1.1.2.2.4.
type syntax int

const (
	syntaxText   syntax = iota // case does not matter
	syntaxDN                   // neither does its spelling
	syntaxSID                  // binary; a filter may give the text form
	syntaxNumber               // integers and large integers
	syntaxOctets               // exactly
)

// syntaxes holds the attributes, in lower case, that are not text.
var syntaxes = map[string]syntax{
	"distinguishedname": syntaxDN, "member": syntaxDN, "memberof": syntaxDN,
	"objectcategory": syntaxDN, "ncname": syntaxDN, "manager": syntaxDN,
	"objectsid": syntaxSID, "objectguid": syntaxOctets,
	"schemaidguid": syntaxOctets, "ntsecuritydescriptor": syntaxOctets, "searchflags": syntaxNumber,
	"useraccountcontrol": syntaxNumber, "samaccounttype": syntaxNumber, "grouptype": syntaxNumber,
	"primarygroupid": syntaxNumber, "systemflags": syntaxNumber, "lockouttime": syntaxNumber,
	"pwdlastset": syntaxNumber, "accountexpires": syntaxNumber, "lockoutthreshold": syntaxNumber,
	"lockoutduration": syntaxNumber, "lockoutobservationwindow": syntaxNumber,
}

func syntaxOf(attr string) syntax { return syntaxes[strings.ToLower(attr)] }

// canonical gives the form in which two values of an attribute are equal, and
// false for a value that the attribute cannot have.
func (t *tree) canonical(attr string, value []byte) (string, bool) {
	text := string(value)
	switch syntaxOf(attr) {
	case syntaxDN:
		return t.canonicalDN(attr, text)
	case syntaxSID:
		if sid, err := identity.ParseSID(text); err == nil {
			return string(sid.Bytes()), true
		}
		return text, true
	case syntaxNumber:
		n, err := strconv.ParseInt(text, 10, 64)
		return strconv.FormatInt(n, 10), err == nil
	case syntaxOctets:
		return text, true
	}
	return identity.Fold(text), true
}

// canonicalDN also takes the short form of a category,
// [MS-ADTS] 3.1.1.3.1.3.5: objectCategory=person.
func (t *tree) canonicalDN(attr, text string) (string, bool) {
	if strings.EqualFold(attr, "objectCategory") && !strings.Contains(text, "=") {
		text = t.category(rdn("", text)[1:])
	}
	key, err := parseDN(text)
	return string(key), err == nil && key != ""
}
