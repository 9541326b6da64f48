package demodir

import "slices"

// searchRequest is a SearchRequest, RFC 4511 4.5.1.
type searchRequest struct {
	base      string
	scope     int
	sizeLimit int
	typesOnly bool
	filter    *filter
	attrs     []string
}

const (
	scopeBase = iota
	scopeOne
	scopeSub
)

// maxAttributes bounds the list of a request.
const maxAttributes = 256

func parseSearch(b ber) (*searchRequest, error) {
	req := &searchRequest{}
	var err error
	if req.base, err = b.text(); err != nil {
		return nil, err
	}
	if req.scope, err = b.number(tagEnumerated); err != nil || req.scope > scopeSub {
		return nil, errBER
	}
	if _, err = b.number(tagEnumerated); err != nil { // derefAliases: there are none
		return nil, err
	}
	if req.sizeLimit, err = b.number(tagInteger); err != nil {
		return nil, err
	}
	if _, err = b.number(tagInteger); err != nil { // timeLimit: nothing takes a second
		return nil, err
	}
	if req.typesOnly, err = b.boolean(); err != nil {
		return nil, err
	}
	if req.filter, err = parseFilter(&b, 0); err != nil {
		return nil, err
	}
	if req.attrs, err = parseAttributes(&b); err != nil || len(b) > 0 {
		return nil, errBER
	}
	return req, nil
}

func parseAttributes(b *ber) ([]string, error) {
	list, err := b.read(tagSequence)
	var attrs []string
	for err == nil && len(list) > 0 {
		var name string
		name, err = list.text()
		if len(attrs) == maxAttributes {
			return nil, errBER
		}
		attrs = append(attrs, name)
	}
	return attrs, err
}

// The controls that change nothing here, or little.
const (
	oidPaged       = "1.2.840.113556.1.4.319"  // RFC 2696: everything is one page
	oidDomainScope = "1.2.840.113556.1.4.1339" // no referrals
	oidSDFlags     = "1.2.840.113556.1.4.801"
)

func controlOIDs() []string { return []string{oidPaged, oidDomainScope, oidSDFlags} }

func knownControl(oid string) bool { return slices.Contains(controlOIDs(), oid) }

// search answers with entries, referrals to the other naming contexts, and the
// result.
func (c *conn) search(r *request, req *searchRequest) bool {
	if req.base == "" && req.scope == scopeBase {
		return c.sendEntry(r, "", c.selectRootDSE(req)) && c.searchDone(r, result{})
	}
	if c.who.isAnonymous() {
		return c.searchDone(r, resultBindFirst)
	}
	base, failed := c.tree.find(req.base)
	if failed != nil {
		return c.searchDone(r, *failed)
	}
	found, res := c.collect(base, req)
	for _, e := range found {
		if !c.sendEntry(r, e.dn, c.selectFrom(e, req)) {
			return false
		}
	}
	return c.sendReferences(r, req, base) && c.searchDone(r, res)
}

// collect finds what matches, up to the client's size limit.
func (c *conn) collect(base *entry, req *searchRequest) ([]*entry, result) {
	m := &matcher{tree: c.tree, noInChain: c.cfg.NoInChain}
	var found []*entry
	for _, e := range c.tree.entries {
		if !inScope(base, e, req.scope) || m.match(req.filter, e) != yes {
			continue
		}
		if req.sizeLimit > 0 && len(found) == req.sizeLimit {
			return found, result{code: sizeLimitExceeded, text: "00002023: SvcErr: DSID-031A1246, problem 5010 (UNAVAIL_EXTENSION), data 0"}
		}
		found = append(found, e)
	}
	return found, result{}
}

// inScope keeps a search inside one naming context.
func inScope(base, e *entry, scope int) bool {
	if e.context != base.context {
		return false
	}
	switch scope {
	case scopeBase:
		return e == base
	case scopeOne:
		return base.key.parentOf(e.key)
	}
	return base.key.above(e.key)
}

func (c *conn) sendEntry(r *request, dn string, attrs []attribute) bool {
	var list []byte
	for _, a := range attrs {
		var set [][]byte
		for _, v := range a.values {
			set = append(set, element(tagOctets, v))
		}
		list = append(list, element(tagSequence, octets(a.name), element(tagSet, set...))...)
	}
	return c.reply(r, opSearchEntry, join(octets(dn), element(tagSequence, list)))
}

// sendReferences names the other contexts below the domain, as a search over
// a whole domain answers, [MS-ADTS] 3.1.1.3.1.4. Following one leads nowhere.
func (c *conn) sendReferences(r *request, req *searchRequest, base *entry) bool {
	if _, unwanted := r.find(oidDomainScope); unwanted || req.scope != scopeSub || base.dn != c.tree.base {
		return true
	}
	for _, url := range []string{
		"ldap://ForestDnsZones." + c.tree.dns + "/DC=ForestDnsZones," + c.tree.base,
		"ldap://DomainDnsZones." + c.tree.dns + "/DC=DomainDnsZones," + c.tree.base,
		"ldap://" + c.tree.dns + "/" + c.tree.configuration(),
	} {
		if !c.reply(r, opSearchReference, octets(url)) {
			return false
		}
	}
	return true
}

// searchDone ends the answer; to a client that pages, with an empty cookie:
// this was the last page.
func (c *conn) searchDone(r *request, res result) bool {
	var controls [][]byte
	if _, paged := r.find(oidPaged); paged {
		value := element(tagSequence, integer(tagInteger, 0), octets(""))
		controls = append(controls, element(tagSequence, octets(oidPaged), octets(string(value))))
	}
	return c.reply(r, opSearchDone, res.encode(), controls...)
}
