package identity

import (
	"time"
	"unique"
)

// Group is a group that somebody belongs to, directly or by nesting.
type Group struct {
	SID    SID
	DN     string
	Name   string // sAMAccountName, or cn
	Domain string // NetBIOS name, "BUILTIN", or empty where it is not known
}

// Account is what a directory says about somebody.
type Account struct {
	Directory   string // the directory's NAME in the configuration
	Home        string // NetBIOS name of the directory's own domain
	Domain      string // NetBIOS name of the account's domain
	DNSDomain   string // its DNS name
	SID         SID
	UUID        string // of its entry, RFC 4530; empty where the server shows none
	SAM         string // sAMAccountName, or uid
	UPN         string // userPrincipalName, explicit or implicit
	DN          string
	DisplayName string
	Mail        string
	Groups      []Group  // nested ones and the primary group too, sorted by name
	Details     *Details // nil where the configuration names no attributes and no roles
	ByToken     bool     // the groups are those of a security token: all, of other domains too
	Verifier    string   // who proved it
	Server      string   // the controller that answered, host:port
	At          time.Time
	PasswordSet int64 // pwdLastSet, [MS-ADA3] 2.175; 0 where it is not known
}

// Identity is an Account with its groups made ready for fast questions. It is
// never changed after New: connections and requests share it. Its groups are
// kept once in the process, however many of their members are logged in.
type Identity struct {
	Account // without its Groups, which the method gives
	groups  groupSet
	folded  Folded
	letters bool // a group's name has letters beyond ASCII, or escapes
	hidden  bool // a group of its own domain or of BUILTIN without a name
	foreign bool // one of another domain
	unknown bool // one of which not even the SID is known
}

// Folded holds the account's names in the form in which they are compared.
type Folded struct{ SAM, UPN, DN, Domain, DNSDomain, Home string }

// New makes an Identity. fold gives the form in which two DNs are compared.
func New(a Account, foldDN func(string) string) *Identity {
	id := &Identity{
		Account: a,
		groups:  newGroupSet(a.Groups, foldDN),
		folded: Folded{
			SAM: Fold(a.SAM), UPN: Fold(a.UPN), DN: foldDN(a.DN),
			Domain: shared(Fold(a.Domain)), DNSDomain: shared(Fold(a.DNSDomain)), Home: shared(Fold(a.Home)),
		},
	}
	for _, g := range a.Groups {
		id.letters = id.letters || !IsPlain(g.Name) || !IsPlain(g.DN)
		switch domain := g.SID.Domain(); {
		case g.Name != "":
		case g.SID.IsZero() && g.DN == "":
			id.hidden, id.unknown = true, true
		case a.SID.IsZero(), g.SID.IsZero(), domain == a.SID.Domain(), domain == SIDBuiltin:
			id.hidden = true // without SIDs every group is one of the directory's own
		case g.SID.IsOfDomain():
			id.foreign = true
		}
	}
	id.Account.Groups = nil
	return id
}

// shared is a text that many identities have, once in memory.
func shared(text string) string { return unique.Make(text).Value() }

// Groups lists the account's groups, sorted by name.
func (id *Identity) Groups() []Group { return id.groups.list() }

// CountGroups is how many there are, without a list of them.
func (id *Identity) CountGroups() int { return len(id.groups.byName) }

// Folded gives the account's names ready to compare.
func (id *Identity) Folded() *Folded { return &id.folded }

// HidesGroups reports whether the account is in a group of its own domain or
// of BUILTIN whose name could not be read. Nobody can say then which names it is not in.
func (id *Identity) HidesGroups() bool { return id.hidden }

// HidesForeignGroups reports the same of groups of other domains: universal ones
// of the forest, and those in an account's SID history.
func (id *Identity) HidesForeignGroups() bool { return id.foreign }

// HidesAnyGroup reports whether the account is in a group of which nothing is
// known, not even its SID.
func (id *Identity) HidesAnyGroup() bool { return id.unknown }

// InSID reports whether the account or one of its groups has the SID.
func (id *Identity) InSID(sid SID) bool {
	return !sid.IsZero() && (id.SID == sid || id.groups.hasSID(sid))
}

// HasLetteredGroups reports whether a group's name or DN has letters beyond ASCII or
// a backslash, so that another name may resemble it.
func (id *Identity) HasLetteredGroups() bool { return id.letters }

// AnyGroup reports whether one of the groups fits.
func (id *Identity) AnyGroup(fits func(Group) bool) bool { return id.groups.any(fits) }

// InDN reports whether a group has the DN, given in its folded form.
func (id *Identity) InDN(folded string) bool { return id.groups.hasDN(folded) }

// InName reports whether a group has the name, given folded, in a domain that
// the caller accepts.
func (id *Identity) InName(folded string, domain func(string) bool) bool {
	return id.groups.hasName(folded, domain)
}

// AccountKey tells accounts of a directory apart, whatever they are called now: by
// SID, where there is none by the entry's UUID, else by DN.
func (id *Identity) AccountKey() string {
	switch {
	case !id.SID.IsZero():
		return id.SID.String()
	case id.UUID != "":
		return id.UUID
	}
	return id.folded.DN
}

// Logon is DOMAIN\user.
func (id *Identity) Logon() string {
	if id.Domain == "" {
		return id.SAM
	}
	return id.Domain + `\` + id.SAM
}
