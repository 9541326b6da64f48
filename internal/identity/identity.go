package identity

import "time"

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
	SAM         string // sAMAccountName, or uid
	UPN         string // userPrincipalName, explicit or implicit
	DN          string
	DisplayName string
	Mail        string
	Groups      []Group // nested ones and the primary group too, sorted by name
	Verifier    string  // who proved it
	Server      string  // the controller that answered, host:port
	At          time.Time
}

// Identity is an Account with its groups made ready for fast questions. It is
// never changed after New: connections and requests share it.
type Identity struct {
	Account
	bySID  map[SID]struct{}
	byName map[string][]int // folded name to places in Groups
	byDN   map[string]struct{}
	folded Folded
	hidden bool
}

// Folded holds the account's names in the form in which they are compared.
type Folded struct{ SAM, UPN, DN, Domain, DNSDomain, Home string }

// New makes an Identity. fold gives the form in which two DNs are compared.
func New(a Account, foldDN func(string) string) *Identity {
	id := &Identity{
		Account: a,
		bySID:   make(map[SID]struct{}, len(a.Groups)),
		byName:  make(map[string][]int, len(a.Groups)),
		byDN:    make(map[string]struct{}, len(a.Groups)),
		folded: Folded{
			SAM: Fold(a.SAM), UPN: Fold(a.UPN), DN: foldDN(a.DN),
			Domain: Fold(a.Domain), DNSDomain: Fold(a.DNSDomain), Home: Fold(a.Home),
		},
	}
	for i, g := range a.Groups {
		if g.Name == "" && !a.SID.IsZero() && (g.SID.Domain() == a.SID.Domain() || g.SID.Domain() == SIDBuiltin) {
			id.hidden = true
		}
		if !g.SID.IsZero() {
			id.bySID[g.SID] = struct{}{}
		}
		if g.Name != "" {
			name := Fold(g.Name)
			id.byName[name] = append(id.byName[name], i)
		}
		if g.DN != "" {
			id.byDN[foldDN(g.DN)] = struct{}{}
		}
	}
	return id
}

// Folded gives the account's names ready to compare.
func (id *Identity) Folded() *Folded { return &id.folded }

// HidesGroups reports whether the account is in a group of its own domain or
// of BUILTIN whose name could not be read. Nobody can say then which names it is not in.
func (id *Identity) HidesGroups() bool { return id.hidden }

// InSID reports whether the account or one of its groups has the SID.
func (id *Identity) InSID(sid SID) bool {
	if sid.IsZero() {
		return false
	}
	if id.SID == sid {
		return true
	}
	_, in := id.bySID[sid]
	return in
}

// InDN reports whether a group has the DN, given in its folded form.
func (id *Identity) InDN(folded string) bool {
	_, in := id.byDN[folded]
	return in
}

// InName reports whether a group has the name, given folded, in a domain that
// the caller accepts.
func (id *Identity) InName(folded string, domain func(string) bool) bool {
	for _, i := range id.byName[folded] {
		if domain(id.Groups[i].Domain) {
			return true
		}
	}
	return false
}

// Logon is DOMAIN\user.
func (id *Identity) Logon() string {
	if id.Domain == "" {
		return id.SAM
	}
	return id.Domain + `\` + id.SAM
}
