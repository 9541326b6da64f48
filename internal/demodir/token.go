package demodir

import "github.com/caddy-ntlm/caddy-ntlm/internal/identity"

// nesting is every group that an entry is in through memberOf, directly or
// not, nearest first; the primary group and what it is in are not among them.
type nesting struct {
	groups []*entry
	has    map[*entry]bool
}

// climb walks memberOf upwards. Groups may be nested in a circle.
func (e *entry) climb() *nesting {
	n := &nesting{has: map[*entry]bool{}}
	n.add(e.parents)
	for i := 0; i < len(n.groups); i++ {
		n.add(n.groups[i].parents)
	}
	return n
}

func (n *nesting) add(groups []*entry) {
	for _, g := range groups {
		if !n.has[g] {
			n.has[g] = true
			n.groups = append(n.groups, g)
		}
	}
}

// tokenGroups is the constructed attribute, [MS-ADTS] 3.1.1.4.5.19: all groups,
// the primary one and its own ones too, without the account itself.
func (e *entry) tokenGroups() [][]byte {
	all := &nesting{has: map[*entry]bool{}}
	all.add(e.nested().groups)
	if e.primary != nil {
		all.add([]*entry{e.primary})
		all.add(e.primary.nested().groups)
	}
	var sids [][]byte
	for _, g := range all.groups {
		if !g.sid.IsZero() {
			sids = append(sids, g.sid.Bytes())
		}
	}
	return sids
}

// The well-known SIDs of every log-in over the network, [MS-DTYP] 2.4.2.4.
const (
	sidEveryone           = "S-1-1-0"
	sidNetwork            = "S-1-5-2"
	sidAuthenticatedUsers = "S-1-5-11"
)

// token is what the rootDSE of a connection lists as tokenGroups,
// [MS-ADTS] 3.1.1.3.2: the account itself first, then its groups, then the
// well-known ones.
func (a *account) token() [][]byte {
	if a == nil {
		return nil
	}
	sids := [][]byte{a.sid.Bytes()}
	if a.entry != nil {
		sids = append(sids, a.entry.tokenGroups()...)
	}
	sids = append(sids, textSID(sidEveryone), textSID(sidNetwork))
	if a.isAnonymous() || a.sid.RID() == identity.RIDGuest {
		return sids
	}
	return append(sids, textSID(sidAuthenticatedUsers))
}

func textSID(text string) []byte { return mustSID(text).Bytes() }

func mustSID(text string) identity.SID {
	sid, err := identity.ParseSID(text)
	if err != nil {
		panic("demodir: " + text + ": " + err.Error())
	}
	return sid
}
