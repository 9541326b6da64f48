package demodir

import (
	"maps"
	"slices"
	"strings"
)

// usual are attributes that a person may have and nobody in a small domain does.
var usual = []string{
	"department", "description", "displayName", "employeeType", "givenName", "mail", "manager", "memberOf", "sn", "telephoneNumber", "title",
}

// syntaxNumbers are the values of attributeSyntax, [MS-ADTS] 3.1.1.2.2.2.
var syntaxNumbers = map[syntax]string{
	syntaxText: "2.5.5.12", syntaxDN: "2.5.5.1", syntaxSID: "2.5.5.17", syntaxNumber: "2.5.5.9", syntaxOctets: "2.5.5.10",
}

const (
	flagConstructed  = 0x4  // FLAG_ATTR_IS_CONSTRUCTED of systemFlags, [MS-ADTS] 2.2.10
	flagConfidential = 0x80 // fCONFIDENTIAL of searchFlags, [MS-ADTS] 2.2.9
)

// addSchema makes an attributeSchema object, [MS-ADTS] 3.1.1.2.3, of each
// attribute that an entry has or might have. It comes last, when all entries are
// there. What has readers is confidential.
func (t *tree) addSchema(readers map[string][]string) {
	names, constructed := map[string]string{}, map[string]bool{"tokengroups": true}
	for _, name := range append([]string{"tokenGroups", "attributeID", "lDAPDisplayName"}, usual...) {
		names[strings.ToLower(name)] = name
	}
	for _, e := range t.entries {
		for _, a := range e.attrs {
			key := strings.ToLower(a.name)
			if names[key] == "" {
				names[key] = a.name
			}
			constructed[key] = constructed[key] || a.constructed
		}
	}
	for _, key := range slices.Sorted(maps.Keys(names)) {
		e := newEntry("CN", names[key], t.schema(), mustDN(t.schema()), t.category("Attribute-Schema"), "top", "attributeSchema")
		e.put("lDAPDisplayName", names[key])
		e.put("attributeSyntax", syntaxNumbers[syntaxOf(key)])
		e.put("schemaIDGUID", string(schemaGUID(key)))
		if readers[names[key]] != nil {
			e.putInt("searchFlags", flagConfidential)
		}
		if constructed[key] {
			e.putInt("systemFlags", flagConstructed)
		}
		t.fixed(e)
	}
}
