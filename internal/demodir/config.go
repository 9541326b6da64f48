package demodir

import "time"

// Config is what a directory holds and how it behaves.
type Config struct {
	Domain    string // NetBIOS name of the domain
	DNSDomain string // its DNS name; the base DN follows from it
	Users     []User
	Groups    []Group

	// Addr is where both listeners stand, an IP address and a port; port 0,
	// the default with 127.0.0.1, takes free ones. Any other port is the
	// LDAPS port and plain LDAP takes a free one.
	Addr string
	// Slow is how long a Slow user waits for the answer to a bind, 30 s by
	// default.
	Slow time.Duration
	// Idle is how long a silent connection is kept, 15 min by default, as
	// MaxConnIdleTime of [MS-ADTS] 3.1.1.3.4.6.
	Idle time.Duration
	// MaxConns is the number of connections served at once, 5,000 by default,
	// MaxConnections of the same section. One more is closed.
	MaxConns int
	// RangePage is the number of values that an attribute shows at once,
	// MaxValRange of [MS-ADTS] 3.1.1.3.4.6, 1,500 by default.
	RangePage int
	// LockoutThreshold locks an account after so many wrong passwords in a
	// row; 0, the default, never does.
	LockoutThreshold int
	// Readers are who alone sees the values of an attribute, by its name, as of one that
	// is confidential; without an entry everybody does.
	Readers map[string][]string
	// AllowPlain accepts passwords on connections without TLS.
	AllowPlain bool

	Quirks
}

// Quirks makes the directory misbehave as some real one does.
type Quirks struct {
	NoTokenGroups   bool // no tokenGroups anywhere, as OpenLDAP
	NotActive       bool // no capabilities of Active Directory, and DNs for who is bound, as OpenLDAP
	NoInChain       bool // matching rule 1941 finds nothing, as OpenLDAP
	SigningRequired bool // SASL binds without signing get result 8
	BadBindings     bool // NTLM binds get 49 with 80090346, as with channel bindings enforced
	Bindings        bool // NTLM binds over TLS need the channel binding of this connection
	SentBindings    bool // NTLM binds over TLS that carry a channel binding need this connection's
	Busy            bool // binds and searches get result 51
	GuestMap        bool // an unknown user becomes Guest, RID 501
	FirstStays      bool // who binds first on a connection stays, whoever binds later, as behind a balancer that mixes connections up
}

// User is an account.
type User struct {
	Name        string // sAMAccountName
	Password    string
	DisplayName string   // CN where empty
	Mail        string   // none where empty
	UPN         string   // explicit userPrincipalName, none where empty
	CN          string   // Name where empty
	OU          string   // "Staff" where empty
	Groups      []string // names of groups; Domain Users goes without saying
	Magic       Magic
	Control     int64               // userAccountControl, as of a computer; 0 is what Magic says
	Attributes  map[string][]string // more attributes, such as "employeeType"
	Description string              // a line for the demo's table of people, and the attribute
}

// Group is a group; one named as a group that every domain has (Administrators,
// Users, Guests, Domain Admins, Domain Users, Domain Guests) adds to that.
type Group struct {
	Name     string   // sAMAccountName and cn
	MemberOf []string // names of groups that it is nested in; cycles are allowed
	OU       string   // "Groups" where empty; "BUILTIN" is the domain's container of that name
	Local    bool     // domain local instead of global
}

// Magic is how an account fails. The right password is needed to see it, except
// where it says otherwise.
type Magic uint8

// The failures.
const (
	None            Magic = iota
	Disabled              // 49 data 533
	Locked                // 49 data 775, whatever the password
	Expired               // the account: 49 data 701
	PasswordExpired       // 49 data 532
	MustChange            // 49 data 773
	LogonHours            // 49 data 530
	Workstation           // 49 data 531
	Restricted            // Protected Users: 49 data 52f
	Slow                  // answers after Config.Slow, whatever the password
	Dead                  // drops the connection instead of answering, whatever the password
)

func (c Config) withDefaults() Config {
	if c.Addr == "" {
		c.Addr = "127.0.0.1:0"
	}
	if c.Slow == 0 {
		c.Slow = 30 * time.Second
	}
	if c.Idle == 0 {
		c.Idle = 15 * time.Minute
	}
	if c.MaxConns == 0 {
		c.MaxConns = 5000
	}
	if c.RangePage == 0 {
		c.RangePage = 1500
	}
	return c
}
