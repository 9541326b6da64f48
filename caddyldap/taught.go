package caddyldap

import (
	"context"
	"fmt"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

const (
	// textual begins an account of which nothing but a name is known, so that no
	// name passes for a SID.
	textual = "name:"
	// maxTaught is how many names of people who have logged in are kept, and
	// taughtAge for how long: a name may be somebody else's by then.
	maxTaught = 50_000
	taughtAge = 24 * time.Hour
)

// The kinds of names that log-ins teach. Each is looked up as what it is: nobody's
// display name passes for somebody else's log-in name.
const (
	kindSAM     = "sam "
	kindUPN     = "upn "
	kindDN      = "dn "
	kindPath    = "path "
	kindSID     = "sid "
	kindDisplay = "display "
)

// taught are the names of those who have logged in, and the accounts they are of.
type taught struct {
	accounts *otter.Cache[string, string]
	people   *otter.Cache[string, *identity.Identity] // taught already, by account
}

func newTaught() (*taught, error) {
	accounts, err := otter.New(&otter.Options[string, string]{MaximumSize: maxTaught, ExpiryCalculator: otter.ExpiryWriting[string, string](taughtAge)})
	if err != nil {
		return nil, fmt.Errorf("names of people: %w", err)
	}
	people, err := otter.New(&otter.Options[string, *identity.Identity]{MaximumSize: maxTaught / 4, ExpiryCalculator: otter.ExpiryWriting[string, *identity.Identity](taughtAge / 2)})
	if err != nil {
		return nil, fmt.Errorf("names of people: %w", err)
	}
	return &taught{accounts, people}, nil
}

func (t *taught) close() {
	t.accounts.InvalidateAll()
	t.accounts.StopAllGoroutines()
	t.people.InvalidateAll()
	t.people.StopAllGoroutines()
}

// teach remembers what somebody who has logged in is called, as the directory says it.
func (t *taught) teach(id *identity.Identity) {
	account := id.AccountKey()
	if known, ok := t.people.GetIfPresent(account); ok && (known == id || sameNames(known, id)) {
		return
	}
	t.people.Set(account, id)
	t.accounts.Set(kindSAM+spelling(identity.Name{User: id.SAM}), account)
	for kind, name := range map[string]string{
		kindUPN: spell(id.UPN), kindDN: spellDN(id.DN), kindPath: spell(canonicalName(id.DN)), kindSID: spell(id.SID.String()), kindDisplay: spell(id.DisplayName),
	} {
		if name != "" {
			t.accounts.Set(kind+name, account)
		}
	}
}

func sameNames(a, b *identity.Identity) bool {
	return a.SAM == b.SAM && a.UPN == b.UPN && a.DN == b.DN && a.DisplayName == b.DisplayName
}

func spellDN(dn string) string { return spell(policy.FoldDN(dn)) }

// of is the account with a name, where it was taught. As in senses, a name without a suffix is
// a log-in name first, and a bare one nobody's display name: whoever is shown as somebody else is
// called would have that one's wrong passwords counted as his own, and end the count by
// his right one.
func (t *taught) of(n identity.Name) (account string, ok bool) {
	whole := n.String()
	names := make([]string, 0, 6)
	if checkDN(whole) == nil {
		names = append(names, kindDN+spellDN(whole))
	}
	all := spell(whole)
	upn, sam := kindUPN+spell(n.User), kindSAM+spelling(n)
	_, _, isUPN := n.UPN()
	if isUPN {
		names = append(names, upn, sam)
	} else {
		names = append(names, sam, upn)
	}
	names = append(names, kindPath+all, kindSID+all)
	if isUPN || n.Domain != "" {
		names = append(names, kindDisplay+all)
	}
	for _, name := range names {
		if account, ok = t.accounts.GetIfPresent(name); ok {
			return account, true
		}
	}
	return "", false
}

// unasked is the account that a name means as far as is known without asking.
func (d *Directory) unasked(n identity.Name) string {
	if account, ok := d.taught.of(n); ok {
		return account
	}
	return textual + spelling(n)
}

// notice keeps what a log-in shows to whom the directory has let in: his names, and how
// many wrong passwords the domain bears, where no service account reads that.
func (d *Directory) notice(ctx context.Context, w *witness, id *identity.Identity) {
	if id == nil {
		return
	}
	d.taught.teach(id)
	if d.service == nil && w != nil && w.root.ad && w.conn != nil {
		ctx, cancel := context.WithTimeout(ctx, soughtDeadline)
		defer cancel()
		_, _ = d.domainLockout(ctx, w.conn, w.root) // what it says is kept
	}
}
