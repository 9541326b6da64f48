package demodir

import (
	"strings"
	"time"
)

// Capabilities of [MS-ADTS] 3.1.1.3.4.3 by which clients tell a controller
// from another LDAP server.
var capabilities = []string{
	"1.2.840.113556.1.4.800",  // LDAP_CAP_ACTIVE_DIRECTORY_OID
	"1.2.840.113556.1.4.1670", // LDAP_CAP_ACTIVE_DIRECTORY_V51_OID
	"1.2.840.113556.1.4.1791", // LDAP_CAP_ACTIVE_DIRECTORY_LDAP_INTEG_OID
	"1.2.840.113556.1.4.1935", // LDAP_CAP_ACTIVE_DIRECTORY_V60_OID
}

// selectRootDSE gives what a client asked for of the rootDSE,
// [MS-ADTS] 3.1.1.3.2. Everybody may read it, and the filter is not looked at:
// it is one of presence, or the client's mistake.
func (c *conn) selectRootDSE(req *searchRequest) []attribute {
	t := c.tree
	e := &entry{}
	e.put("namingContexts", t.base, t.configuration(), t.schema())
	e.put("defaultNamingContext", t.base)
	e.put("rootDomainNamingContext", t.base)
	e.put("configurationNamingContext", t.configuration())
	e.put("schemaNamingContext", t.schema())
	e.put("dnsHostName", t.hostName())
	e.put("currentTime", time.Now().UTC().Format("20060102150405.0Z"))
	e.put("ldapServiceName", t.dns+":dc1$@"+strings.ToUpper(t.dns))
	e.put("supportedLDAPVersion", "3")
	e.put("supportedSASLMechanisms", mechSPNEGO)
	e.put("supportedExtension", oidStartTLS, oidWhoAmI)
	e.put("supportedControl", controlOIDs()...)
	if !c.cfg.NotActive {
		e.put("supportedCapabilities", capabilities...)
	}
	e.put("isGlobalCatalogReady", "FALSE")
	if token := c.who.token(); token != nil && !c.cfg.NoTokenGroups {
		e.attrs = append(e.attrs, attribute{name: "tokenGroups", values: token, constructed: true})
	}
	return c.pick(e.attrs, req)
}
