package caddyntlm

import (
	"encoding/binary"
	"errors"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// What a session keeps of its user, as bytes: the account as the directory has it, how it
// was proven, and what the client said of where it logged in. Texts are carried byte for
// byte, because a DN or a group's name may be no UTF-8, and nil is told from empty, because
// an account without details is another than one of which nothing was found. No password
// is in an account.

// snapshotVersion is the first byte. Whatever changes below needs another: a session of
// another version is over.
const snapshotVersion = 1

var errSnapshot = errors.New("not what a session keeps of its user")

// snapshotOf writes what is remembered of somebody.
func snapshotOf(h held) []byte {
	w := snapshotWriter{snapshotVersion}
	w.text(h.scheme.String())
	w.number(uint64(h.by))
	w.said(h.said)
	w.account(&h.id.Account, h.id.Groups())
	return packed(w)
}

// readSnapshot reads what snapshotOf has written.
func readSnapshot(b []byte) (held, error) {
	b, err := unpacked(b)
	if err != nil || len(b) == 0 || b[0] != snapshotVersion {
		return held{}, errSnapshot
	}
	r := snapshotReader{rest: b[1:]}
	s, known := schemeOf(r.text())
	h := held{scheme: s, by: mechanism(r.number(uint64(byTicket)))}
	h.said = r.said()
	account := r.account()
	if r.bad || len(r.rest) > 0 || !known {
		return held{}, errSnapshot
	}
	h.id = identity.New(account, policy.FoldDN)
	return h, nil
}

// schemeOf is the scheme of a word.
func schemeOf(word string) (scheme, bool) {
	for s := schemeNegotiate; s < schemes; s++ {
		if s.String() == word {
			return s, true
		}
	}
	return schemeNone, false
}

// accountTexts are the texts of an account in the order of their bytes.
func accountTexts(a *identity.Account) [12]*string {
	return [...]*string{
		&a.Directory, &a.Home, &a.Domain, &a.DNSDomain, &a.UUID, &a.SAM, &a.UPN, &a.DN, &a.DisplayName, &a.Mail, &a.Verifier, &a.Server,
	}
}

type snapshotWriter []byte

func (w *snapshotWriter) number(n uint64) { *w = binary.AppendUvarint(*w, n) }

func (w *snapshotWriter) text(s string) {
	w.number(uint64(len(s)))
	*w = append(*w, s...)
}

func (w *snapshotWriter) flag(yes bool) {
	if yes {
		w.number(1)
	} else {
		w.number(0)
	}
}

// texts writes a list; nil is 0, another one more than its length.
func (w *snapshotWriter) texts(list []string) {
	if w.length(list == nil, len(list)) {
		for _, s := range list {
			w.text(s)
		}
	}
}

func (w *snapshotWriter) length(none bool, n int) bool {
	if none {
		w.number(0)
		return false
	}
	w.number(uint64(n) + 1)
	return true
}

func (w *snapshotWriter) said(s *said) {
	if w.flag(s != nil); s == nil {
		return
	}
	w.text(s.demand)
	w.text(s.meant.Target)
	if w.flag(s.meant.Binding != nil); s.meant.Binding != nil {
		*w = append(*w, s.meant.Binding[:]...)
	}
}

func (w *snapshotWriter) account(a *identity.Account, groups []identity.Group) {
	for _, s := range accountTexts(a) {
		w.text(*s)
	}
	w.text(string(a.SID.Bytes()))
	w.flag(a.ByToken)
	if w.flag(!a.At.IsZero()); !a.At.IsZero() {
		w.number(uint64(a.At.UnixNano()))
	}
	w.number(uint64(a.PasswordSet))
	w.number(uint64(len(groups)))
	for _, g := range groups {
		w.text(string(g.SID.Bytes()))
		w.text(g.DN)
		w.text(g.Name)
		w.text(g.Domain)
	}
	if w.flag(a.Details != nil); a.Details != nil {
		w.details(a.Details)
	}
}

func (w *snapshotWriter) details(d *identity.Details) {
	if w.length(d.Attributes == nil, len(d.Attributes)) {
		for _, a := range d.Attributes {
			w.text(a.Name)
			w.texts(a.Values)
			w.flag(a.Partial)
		}
	}
	w.texts(d.Roles)
	w.texts(d.Unsure)
	if w.length(d.Fittings == nil, len(d.Fittings)) {
		for _, f := range d.Fittings {
			w.text(f.Filter)
			w.number(uint64(f.Fit))
		}
	}
}
