package demodir

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// tree is the whole content of the directory. Nothing changes it once it is
// built: connections share it.
type tree struct {
	netbios, dns string
	base         string // DN of the domain
	domainSID    identity.SID

	entries []*entry
	byKey   map[dnKey]*entry
	bySID   map[identity.SID]*entry
	groups  map[string]*entry   // by folded name
	bySAM   map[string]*account // by folded sAMAccountName
	byUPN   map[string]*account // by folded explicit userPrincipalName

	guest, anonymous *account
}

// firstUSN is before the update sequence number of the first entry.
const firstUSN = 4000

// hostShort is the controller's own NetBIOS name.
const hostShort = "DC1"

func (t *tree) hostName() string { return strings.ToLower(hostShort) + "." + t.dns }

// buildTree makes the entries of a configuration: containers, groups, users,
// then who is in what.
func buildTree(cfg Config) (*tree, error) {
	if cfg.Domain == "" || cfg.DNSDomain == "" {
		return nil, errors.New("a domain needs a NetBIOS and a DNS name")
	}
	t := &tree{
		netbios: cfg.Domain, dns: cfg.DNSDomain,
		base: domainDN(cfg.DNSDomain), domainSID: domainSID(cfg.DNSDomain),
		byKey: map[dnKey]*entry{}, bySID: map[identity.SID]*entry{},
		groups: map[string]*entry{}, bySAM: map[string]*account{}, byUPN: map[string]*account{},
	}
	t.addFrame(cfg)
	t.addBuiltinGroups()
	if err := t.addGroups(cfg.Groups); err != nil {
		return nil, err
	}
	t.addNobodies()
	if err := t.addUsers(cfg.Users); err != nil {
		return nil, err
	}
	if err := t.addNesting(cfg.Groups); err != nil {
		return nil, err
	}
	t.addDescriptors(cfg.Readers)
	t.addSchema(cfg.Readers)
	return t, nil
}

// add puts an entry into the tree.
func (t *tree) add(e *entry) error {
	if t.byKey[e.key] != nil {
		return fmt.Errorf("%s is there twice", e.dn)
	}
	t.entries = append(t.entries, e)
	e.putInt("uSNChanged", int64(firstUSN+len(t.entries)))
	t.byKey[e.key] = e
	if !e.sid.IsZero() {
		t.bySID[e.sid] = e
	}
	return nil
}

// take reserves a sAMAccountName, which users and groups share.
func (t *tree) take(name string) error {
	folded := identity.Fold(name)
	if folded == "" {
		return errors.New("an account has no name")
	}
	if t.bySAM[folded] != nil || t.groups[folded] != nil {
		return fmt.Errorf("the name %s is there twice", name)
	}
	return nil
}

// addNesting puts groups into groups.
func (t *tree) addNesting(groups []Group) error {
	for _, g := range groups {
		if err := t.joinAll(t.groups[identity.Fold(g.Name)], g.Name, g.MemberOf); err != nil {
			return err
		}
	}
	return nil
}

func (t *tree) joinAll(e *entry, name string, groups []string) error {
	for _, g := range groups {
		group := t.groups[identity.Fold(g)]
		if group == nil {
			return fmt.Errorf("%s is to be in the group %s, which is not there", name, g)
		}
		e.join(group)
	}
	return nil
}

// domainSID follows from the DNS name, so that a domain has the same SIDs in
// every run and two domains have different ones.
func domainSID(dns string) identity.SID {
	sum := sha256.Sum256([]byte("domain SID " + strings.ToLower(dns)))
	return mustSID(fmt.Sprintf("S-1-5-21-%d-%d-%d", binary.LittleEndian.Uint32(sum[0:]),
		binary.LittleEndian.Uint32(sum[4:]), binary.LittleEndian.Uint32(sum[8:])))
}

// rid is the SID of an account of the domain.
func (t *tree) rid(n int) identity.SID { return mustSID(fmt.Sprintf("%s-%d", t.domainSID, n)) }
