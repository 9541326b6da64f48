package demodir

// The second factor of grace in the demo, and where it stands. svc-web alone sees it.
const (
	DemoFactorAttribute = "unixUserPassword"
	DemoFactor          = "otpauth://totp/EXAMPLE:grace?secret=M5ZGCY3FMZXXE3DPM5UW4YLQMFUWE43F&issuer=EXAMPLE"
)

// Demo is the directory of the demo command: people for each way in and, with
// the password Secr3t-<name> as everybody's, one account for each way to fail.
// The first is alice.
func Demo() Config {
	return Config{
		Domain:    "EXAMPLE",
		DNSDomain: "example.test",
		Readers:   map[string][]string{DemoFactorAttribute: {"svc-web"}},
		Users:     append(demoPeople(), demoFailures()...),
		Groups: []Group{
			{Name: "Staff"},
			{Name: "Power Users", Local: true},
			{Name: "HR", MemberOf: []string{"Staff"}},
			{Name: "HR Managers", MemberOf: []string{"HR"}},
			{Name: "HR Board", MemberOf: []string{"HR Managers"}},
			{Name: "Sales, Europe (North)", MemberOf: []string{"Staff"}},
			{Name: "Remote Staff"},
		},
	}
}

func demoPeople() []User {
	return []User{
		person("alice", "Alice Archer", "an ordinary user, in Staff", "Staff"),
		{
			Name: "bob", Password: "Secr3t-bob", CN: "Bob Baker", DisplayName: "Bob Baker",
			Mail: "bob@example.test", UPN: "bob.baker@example.test", Groups: []string{"Staff", "Power Users"},
			Description: "logs in as bob.baker@example.test too, in Power Users",
		},
		person("carol", "Carol Cole", "in HR by way of HR Board and HR Managers", "HR Board"),
		person("dave", "Dave Dunn", "a member of Administrators", "Staff", "Administrators"),
		person("frank", "Fox, Frank (Sales)", "a comma and parentheses in the name and in the group's", "Sales, Europe (North)"),
		person("zoë", "Zoë Müller", "letters outside ASCII (by browser or --basic: curl --ntlm spoils them)", "Staff"),
		{
			Name: "grace", Password: "Secr3t-grace", CN: "Grace Gray", DisplayName: "Grace Gray", Mail: "grace@example.test", Groups: []string{"Remote Staff"},
			Attributes:  map[string][]string{DemoFactorAttribute: {DemoFactor}},
			Description: "in Remote Staff, who owe a second factor and have the page alone: see below",
		},
		person("svc-web", "Web Service", "a service account for searches"),
	}
}

func demoFailures() []User {
	return []User{
		failing("disabled", Disabled, "the account is disabled"),
		failing("locked", Locked, "the account is locked out"),
		failing("expired", Expired, "the account is expired"),
		failing("oldpass", PasswordExpired, "the password is expired"),
		failing("mustchange", MustChange, "the password must be changed first"),
		failing("slow", Slow, "the controller takes too long to answer"),
		failing("dead", Dead, "the controller hangs up instead of answering"),
	}
}

func person(name, cn, description string, groups ...string) User {
	return User{
		Name: name, Password: "Secr3t-" + name, CN: cn, DisplayName: cn,
		Mail: name + "@example.test", Groups: groups, Description: description,
	}
}

func failing(name string, magic Magic, description string) User {
	u := person(name, "Magic "+name, description, "Staff")
	u.Magic = magic
	return u
}
