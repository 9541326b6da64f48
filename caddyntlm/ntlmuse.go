package caddyntlm

import (
	"net/netip"
	"strings"

	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/spnego"
)

// The report of NTLM: who uses it, how, and why not Kerberos. Log-ins are counted
// always; with ntlm warn each is a line, once a minute for one user of one address.

const useOfNTLM = "use of NTLM"

// mechanism is what has proven somebody.
type mechanism uint8

const (
	byPassword mechanism = iota // or nobody is proven
	byNTLM                      // bare, or inside Negotiate
	byTicket
)

// ntlmUser is of whom one line a minute is written.
type ntlmUser struct {
	network netip.Prefix
	sid     identity.SID
	scheme  scheme
	refused bool
}

// maxAgent is how many characters of the name of a client's program a line holds.
const maxAgent = 160

// use is a log-in by NTLM that may be told of.
type use struct {
	event     string       // allow or refuse
	version   string       // of the protocol
	mechs     []spnego.OID // that the client offers, in SPNEGO
	elsewhere bool         // at another site of this server, on the same connection
}

// tellUse reports a log-in by NTLM whose handshake was h; nil where it was elsewhere.
func (v *visit) tellUse(h *handshake) {
	u := use{event: "allow", version: ntlm.ResponseNTLMv2.String(), mechs: h.offered(), elsewhere: h == nil}
	if h != nil {
		v.door.meter.usedNTLM(v, causeOf(v.circumstances(u.mechs)).word)
	}
	v.reportUse(u)
}

// tellUnfit reports a log-in by NTLM that was too old in kind to be looked at.
func (v *visit) tellUnfit(h *handshake, err error) {
	if kindOf(err) != identity.KindNTLMv1 {
		return
	}
	u := use{event: "refuse", version: "NTLMv1 or LM", mechs: h.offered()}
	if m, err := ntlm.ParseAuthenticate(v.credential.message); err == nil {
		u.version = m.ResponseKind().String()
	}
	v.reportUse(u)
}

// offered is the list of mechanisms of the client; nil without SPNEGO.
func (h *handshake) offered() []spnego.OID {
	if h == nil || h.acceptor == nil {
		return nil
	}
	return h.acceptor.Offered()
}

// reportUse writes the line, where one is wanted and due.
func (v *visit) reportUse(u use) {
	if !v.door.reportsNTLM() {
		return
	}
	who, account := ntlmUser{network: clientNetwork(v.r), scheme: v.scheme, refused: v.id == nil}, ""
	if v.id != nil {
		who.sid, account = v.id.SID, v.id.Logon()
	}
	skipped, due := v.door.notices.use.due(who, v.start)
	if !due {
		return
	}
	claimed, workstation := v.claimed, ""
	if m, err := ntlm.ParseAuthenticate(v.credential.message); err == nil {
		workstation = m.Workstation
		if claimed == (identity.Name{}) {
			claimed = identity.Name{Domain: m.Domain, User: m.User}
		}
	}
	why := causeOf(v.circumstances(u.mechs))
	fields := make([]zap.Field, 0, 20)
	for _, f := range [...]struct{ key, value string }{
		{"event", u.event}, {"reason", why.word}, {"conn", v.conn.String()}, {"remote_ip", remoteIP(v.r)}, {"scheme", v.scheme.String()},
		{"version", u.version}, {"offered", howOffered(v.scheme, u)}, {"user", account}, {"user_claimed", escapeClaimed(claimed)},
		{"workstation", escape(workstation, maxClaimed)}, {"user_agent", escape(v.r.UserAgent(), maxAgent)}, {"host", hostOf(v.r.Host)},
		{"verifier", v.verifier}, {"path", v.r.URL.Path},
	} {
		if f.value != "" {
			fields = append(fields, zap.String(f.key, f.value))
		}
	}
	v.door.log.Warn(useOfNTLM, append(fields, zap.Bool("kerberos_offered", v.door.tickets != nil), zap.String("why_not_kerberos", why.text),
		zap.String("hint", why.cure), zap.Int64("skipped", skipped))...)
}

// howOffered says how a client came by NTLM.
func howOffered(s scheme, u use) string {
	switch {
	case u.elsewhere:
		return "at another site, on the same connection"
	case s == schemeNTLM:
		return "the scheme NTLM"
	case len(u.mechs) == 0:
		return "Negotiate, NTLM without SPNEGO"
	}
	names := make([]string, len(u.mechs))
	for i, mech := range u.mechs {
		names[i] = mech.Name()
	}
	return "Negotiate, SPNEGO with " + strings.Join(shortened(names), ", ")
}
