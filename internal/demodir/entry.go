package demodir

import (
	"crypto/sha256"
	"strconv"
	"strings"
	"sync"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// entry is an object of the directory. Nothing changes it once the tree is
// built.
type entry struct {
	dn      string
	key     dnKey
	context dnKey // the naming context that it belongs to
	sid     identity.SID
	attrs   []attribute
	parents []*entry // groups that it is a direct member of
	primary *entry   // the primary group, which memberOf leaves out
	nested  func() *nesting
	account *account // who logs in as this entry, nil for most
}

// attribute is an attribute and its values as they go over the wire.
type attribute struct {
	name   string
	values [][]byte
	// constructed ones are computed by a controller when asked for by name:
	// "*" leaves them out and no filter sees them.
	constructed bool
}

// newEntry makes an entry with the attributes that all have. Its RDN has the
// attribute kind, such as CN, and stands below container, which may be empty.
func newEntry(kind, name, container string, context dnKey, category string, classes ...string) *entry {
	dn := rdn(kind, name)
	if container != "" {
		dn += "," + container
	}
	e := &entry{dn: dn, key: mustDN(dn), context: context}
	e.nested = sync.OnceValue(e.climb)
	e.put("objectClass", classes...)
	e.put(strings.ToLower(kind), name)
	e.put("name", name)
	e.put("distinguishedName", dn)
	e.put("objectGUID", string(guidOf("objectGUID "+string(e.key))))
	e.put("objectCategory", category)
	return e
}

// guidOf is the same GUID in every run for what it is of.
func guidOf(what string) []byte {
	sum := sha256.Sum256([]byte(what))
	return sum[:16]
}

// put appends values to an attribute. Empty values are no values.
func (e *entry) put(name string, values ...string) {
	for _, v := range values {
		if v == "" {
			continue
		}
		a := e.get(name)
		if a == nil {
			e.attrs = append(e.attrs, attribute{name: name})
			a = &e.attrs[len(e.attrs)-1]
		}
		a.values = append(a.values, []byte(v))
	}
}

func (e *entry) putInt(name string, value int64) { e.put(name, strconv.FormatInt(value, 10)) }

// putSID gives the entry its SID.
func (e *entry) putSID(sid identity.SID) {
	e.sid = sid
	e.put("objectSid", string(sid.Bytes()))
}

// hide marks an attribute as constructed.
func (e *entry) hide(name string) { e.get(name).constructed = true }

// get finds an attribute by its name, whatever the case.
func (e *entry) get(name string) *attribute {
	for i := range e.attrs {
		if strings.EqualFold(e.attrs[i].name, name) {
			return &e.attrs[i]
		}
	}
	return nil
}

// join makes the entry a direct member of a group.
func (e *entry) join(group *entry) {
	for _, p := range e.parents {
		if p == group {
			return
		}
	}
	e.parents = append(e.parents, group)
	e.put("memberOf", group.dn)
	group.put("member", e.dn)
}
