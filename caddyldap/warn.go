package caddyldap

import (
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-ldap/ldap/v3"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// warn writes, when the configuration is loaded, what it gives away.
func (d *Directory) warn() {
	d.giveaways(func(word, hint string) {
		d.logger.Warn("the configuration gives protection away", zap.String("word", word), zap.String("hint", hint))
	})
	for _, s := range d.Server {
		d.warnPort(s.URL)
	}
	d.warnOfTickets()
	if d.BindAs != nil && d.BindAs.Form == bindRelative && len(d.bases) > 1 && d.ServiceAccount == nil {
		d.logger.Warn("bind_as relative tries a password at several accounts, one under each base_dn that has the name", zap.Strings("base_dn", d.bases),
			zap.String("hint", "a wrong one counts at each of them, while throttle counts one: write a service_account, which sees which is the first, or one base_dn"))
	}
}

// warnOfTickets says what tickets lack where nobody can look anybody up, and what
// RC4 costs.
func (d *Directory) warnOfTickets() {
	keytab, byTicket := d.TicketVerifier().(*Keytab)
	_, byKDC := d.PasswordVerifier().(*KerberosPassword)
	if d.ServiceAccount == nil && (byTicket || byKDC) {
		d.logger.Warn("tickets tell SIDs, and without a service_account nobody looks up what they are called",
			zap.String("hint", "rules about names of groups let nobody in who comes by ticket, and none keeps everybody out: write service_account, or rules by sid"))
	}
	if _, byChannel := d.NTLMVerifier().(*Netlogon); d.ServiceAccount == nil && byChannel {
		d.logger.Warn("verify netlogon tells SIDs, and without a service_account nobody looks up what they are called",
			zap.String("hint", "rules about names of groups let nobody in, and none keeps everybody out: write service_account, or rules by sid"))
		if err, untold := errors.AsType[*identity.Error](d.tellable()); untold {
			d.logger.Warn("verify netlogon will let nobody in", zap.Error(err), zap.String("hint", err.Hint))
		}
	}
	if byTicket && keytab.AllowRC4 {
		d.logger.Warn("the configuration gives protection away", zap.String("word", "allow_rc4"),
			zap.String("hint", "whoever guesses the service account's password makes tickets of anybody; give the account AES keys, write the keytab anew and remove the word"))
	}
}

// giveaways are the words that give protection away.
func (d *Directory) giveaways(say func(word, hint string)) {
	if d.TLS != nil && d.TLS.InsecureSkipVerify {
		say("insecure_skip_verify", "anybody on the way can pose as the controller, read passwords and let himself in; write trust_pool into the block tls instead")
	}
	if d.InsecurePlaintext {
		say("insecure_plaintext", "anybody on the way reads passwords and can let himself in; write ldaps:// or starttls. Controllers that want LDAP signing refuse such log-ins")
	}
	if _, unverified := d.NTLMVerifier().(*SMB); unverified {
		say(wordUnverified, hintUnverified)
	}
	if d.ServiceAccount != nil {
		sayWrittenOut("service_account", d.ServiceAccount.Secret, say)
	}
	if n, channel := d.NTLMVerifier().(*Netlogon); channel {
		sayWrittenOut("verify netlogon", n.Secret, say)
	}
}

func sayWrittenOut(word, secret string, say func(word, hint string)) {
	if hint := WrittenOut(secret); hint != "" {
		say(word, hint)
	}
}

// WrittenOut says what is wrong with a password that is written out, and nothing of one
// that stands elsewhere. One that begins with a slash is mostly a file's path without the
// braces, and then taken for the password itself.
func WrittenOut(secret string) (hint string) {
	switch {
	case secret == "" || strings.Contains(secret, "{"):
		return ""
	case strings.HasPrefix(secret, "/"):
		return "its password is written out, and begins with a slash: for a password that stands in a file write {file./run/secrets/NAME}, the path behind file. and the braces around both"
	}
	return "its password is written out and lands in the adapted configuration and autosave.json; write {file.…} or {env.…}"
}

// warnPort warns of a server whose port is that of the other scheme. It is no
// error: a server may listen where it likes.
func (d *Directory) warnPort(raw string) {
	u, err := ParseServer(raw)
	if err != nil {
		return
	}
	if u.isCatalog() {
		d.logger.Warn("a server is a global catalog, which has not all of an account", zap.String("server", raw),
			zap.String("hint", "attributes that it lacks fit no rule, and none lets nobody pass by them; only accounts of the controller's own domain are let in; port 636, or none, has all of it"))
		return
	}
	var hint string
	switch {
	case u.TLS && u.Port == ldap.DefaultLdapPort:
		hint = "ldaps:// is TLS from the first byte, mostly on 636; 389 mostly waits for plain LDAP: leave the port out, or write ldap:// and starttls"
	case !u.TLS && u.Port == ldap.DefaultLdapsPort:
		hint = "ldap:// begins without TLS, mostly on 389; 636 mostly waits for TLS: write ldaps://, and no starttls"
	default:
		return
	}
	d.logger.Warn("the port of a server is the usual one of the other scheme", zap.String("server", raw), zap.String("hint", hint))
}

// warnOfNames says, once the servers are known, that without a service account
// two accounts of one log-in name are not told apart: unmistakable sees what the
// user's own rights show. In Active Directory the controller keeps names apart,
// and everybody sees the rest.
func (d *Directory) warnOfNames() {
	if d.mixesNames() {
		d.logger.Warn("self-test: two accounts of one log-in name would be one user",
			zap.String("hint", "users seldom may read each other's entries, so nobody sees that a name is taken twice: write a service_account that may read all accounts"))
	}
}

// mixesNames reports whether nobody would see that two accounts have one name.
func (d *Directory) mixesNames() bool {
	return d.service == nil && d.domain.other.Load() && d.PasswordVerifier() != nil
}

// hush lets something be said once a minute.
type hush struct{ next atomic.Int64 } // unix nanoseconds

func (h *hush) due(now time.Time) bool {
	next := h.next.Load()
	return now.UnixNano() >= next && h.next.CompareAndSwap(next, now.Add(time.Minute).UnixNano())
}
