package demodir

import "strings"

// addFrame makes what every domain has besides accounts: the domain object,
// the configuration with the domain's cross-reference, and the containers.
func (t *tree) addFrame(cfg Config) {
	label, parent, _ := strings.Cut(t.dns, ".")
	domain := newEntry("DC", label, domainDN(parent), mustDN(t.base), t.category("Domain-DNS"), "top", "domain", "domainDNS")
	domain.putSID(t.domainSID)
	domain.putInt("lockoutThreshold", int64(cfg.LockoutThreshold))
	domain.putInt("lockoutDuration", -10*60*1e7) // 100 ns, negative: relative
	domain.putInt("lockOutObservationWindow", -10*60*1e7)
	t.fixed(domain)
	t.fixed(t.container("CN", "Users", "Container", "container"))
	t.fixed(t.container("CN", "Builtin", "Builtin-Domain", "builtinDomain"))
	t.addConfiguration()
}

// addConfiguration makes the naming contexts of the forest, with as much as
// tells clients which domain this is.
func (t *tree) addConfiguration() {
	context := mustDN(t.configuration())
	t.fixed(newEntry("CN", "Configuration", t.base, context, t.category("Configuration"), "top", "configuration"))
	t.fixed(newEntry("CN", "Partitions", t.configuration(), context, t.category("Cross-Ref-Container"), "top", "crossRefContainer"))
	ref := newEntry("CN", t.netbios, "CN=Partitions,"+t.configuration(), context, t.category("Cross-Ref"), "top", "crossRef")
	ref.put("nCName", t.base)
	ref.put("nETBIOSName", t.netbios)
	ref.put("dnsRoot", t.dns)
	ref.putInt("systemFlags", 3) // FLAG_CR_NTDS_NC and FLAG_CR_NTDS_DOMAIN
	t.fixed(ref)
	t.fixed(newEntry("CN", "Schema", t.configuration(), mustDN(t.schema()), t.category("DMD"), "top", "dMD"))
}

func (t *tree) configuration() string { return "CN=Configuration," + t.base }
func (t *tree) schema() string        { return "CN=Schema," + t.configuration() }

// category is the objectCategory of a class.
func (t *tree) category(class string) string { return "CN=" + class + "," + t.schema() }

func (t *tree) container(kind, name, category, class string) *entry {
	return newEntry(kind, name, t.base, mustDN(t.base), t.category(category), "top", class)
}

// fixed adds an entry that cannot be there yet.
func (t *tree) fixed(e *entry) {
	if err := t.add(e); err != nil {
		panic("demodir: " + err.Error())
	}
}

// unit is the DN of an organizational unit right below the domain, which is
// made when it is first asked for.
func (t *tree) unit(name string) string {
	dn := rdn("OU", name) + "," + t.base
	if t.byKey[mustDN(dn)] == nil {
		t.fixed(t.container("OU", name, "Organizational-Unit", "organizationalUnit"))
	}
	return dn
}
