package caddyntlm

import (
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// The log has one line a decision. Names that a client claims are escaped
// and cut; tokens and passwords are no fields of anything here.

const decision = "authentication"

// recordAllow writes that a request was let in: at INFO for a log-in, else only
// for those who debug.
func (v *visit) recordAllow() {
	v.count("allow", "")
	level := zapcore.DebugLevel
	if v.loggedIn {
		level = zapcore.InfoLevel
	}
	if c := v.door.log.Check(level, decision); c != nil {
		c.Write(v.fields("allow", "", nil)...)
	}
}

// recordPass writes that a require let the request go on, and by which rule. The
// door has counted the request already.
func (v *visit) recordPass() {
	if c := v.door.log.Check(zapcore.DebugLevel, decision); c != nil {
		c.Write(v.fields("allow", "", nil)...)
	}
}

// recordChallenge writes which token of a handshake went out.
func (v *visit) recordChallenge(reason string) {
	v.count("challenge", reason)
	if c := v.door.log.Check(zapcore.DebugLevel, decision); c != nil {
		c.Write(v.fields("challenge", reason, nil)...)
	}
}

// recordGone writes that the client left before it was answered.
func (v *visit) recordGone(err error) {
	v.count("gone", "client_gone")
	if c := v.door.log.Check(zapcore.DebugLevel, decision); c != nil {
		c.Write(v.fields("gone", "client_gone", err)...)
	}
}

// record writes that a request was refused.
func (v *visit) record(o outcome, kind identity.Kind, err error) {
	v.count(o.event, kind.String())
	v.tellRefusal(kind)
	level := o.level
	var more []zap.Field
	if skipped, due, counted := v.door.notices.floods(v, kind); counted {
		if !due {
			level = zapcore.DebugLevel
		}
		more = append(more, zap.Int64("skipped", skipped))
	}
	if c := v.door.log.Check(level, decision); c != nil {
		if kind == identity.KindDenied && v.id != nil {
			more = append(more, zap.String("hint", memberships(v.id)))
		}
		c.Write(append(v.fields(o.event, kind.String(), err), more...)...)
	}
}

// fields describes the decision; what is not known is left out.
func (v *visit) fields(event, reason string, err error) []zap.Field {
	user, verifier, server, claimed, hint := "", v.verifier, v.server, v.claimed, ""
	if v.id != nil {
		user, verifier, server = v.id.Logon(), v.id.Verifier, v.id.Server
	}
	if failure, ok := errors.AsType[*identity.Error](err); ok {
		hint = failure.Hint
		if claimed == (identity.Name{}) {
			claimed = failure.Claimed
		}
		if server == "" {
			server = failure.Server
		}
		if failure.Err == nil {
			err = nil // the reason says it all
		}
	}
	fields := make([]zap.Field, 0, 17)
	fields = append(fields, zap.String("event", event))
	for _, f := range [...]struct{ key, value string }{
		{"reason", reason}, {"conn", v.conn.String()}, {"remote_ip", remoteIP(v.r)}, {"scheme", v.scheme.String()},
		{"user_claimed", escapeClaimed(claimed)}, {"user", user}, {"verifier", verifier}, {"dc", server},
		{"rule", v.rule}, {"session", v.sessionHandle()}, {"method", v.r.Method}, {"path", v.r.URL.Path}, {"hint", hint},
	} {
		if f.value != "" {
			fields = append(fields, zap.String(f.key, f.value))
		}
	}
	if err != nil {
		fields = append(fields, zap.Error(err))
	}
	return append(fields, zap.Duration("duration", v.door.now().Sub(v.start)))
}

// remoteIP is the address at the other end of the connection.
func remoteIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// notices are the warnings that must not flood the log.
type notices struct {
	proxy, closing, pending rarely
	http2                   sync.Map // by the port of the listener
	use                     seldom   // of NTLM, by ntlmUser
	refused                 seldom   // NTLM, by the client's network
}

// floods says of a refusal that may come in numbers, and so is counted, whether a line
// of it is due.
func (n *notices) floods(v *visit, kind identity.Kind) (skipped int64, due, counted bool) {
	switch kind {
	case identity.KindTooManyPending:
		skipped, due = n.pending.due(v.start)
	case identity.KindNTLMRefused:
		skipped, due = n.refused.due(clientNetwork(v.r), v.start)
	default:
		return 0, false, false
	}
	return skipped, due, true
}

const (
	hintProxy   = "A proxy stands before this server. NTLM authenticates a connection, which a proxy shares among its clients; offer Basic over TLS, let clients connect directly, or name a proxy that keeps one connection a client in one_to_one."
	hintClosing = "A client or a proxy closes each connection after its answer; NTLM needs it kept open. Look for keep-alive there, or offer Basic over TLS."
	hintHTTP2   = "A client began NTLM on HTTP/2. Browsers and curl --ntlm come back with HTTP/1.1 by themselves, and then all is well; for one that does not (.NET, curl --negotiate without a ticket) let it speak HTTP/1.1 (curl --http1.1), or write protocols h1 into the block servers of the global options."
)

// noticeProxy warns that connections are shared, once a minute.
func (h *Handler) noticeProxy(now time.Time) {
	if h.ntlm == nil {
		return
	}
	if skipped, due := h.notices.proxy.due(now); due {
		h.log.Warn("proxy seen, NTLM persistence off", zap.String("reason", identity.KindProxySeen.String()),
			zap.Int64("skipped", skipped), zap.String("hint", hintProxy))
	}
}

// noticeClosing says, once a minute, that somebody tries NTLM on connections
// that close. Each such request is a line for those who debug only.
func (h *Handler) noticeClosing(now time.Time) {
	if skipped, due := h.notices.closing.due(now); due {
		h.log.Info("NTLM needs a connection that stays open", zap.String("reason", identity.KindNotPersistent.String()),
			zap.Int64("skipped", skipped), zap.String("hint", hintClosing))
	}
}

// noticeHTTP2 warns once a listener.
func (h *Handler) noticeHTTP2(v *visit) {
	port := localPort(v.r.Context())
	if _, before := h.notices.http2.LoadOrStore(port, nil); !before {
		h.log.Warn("NTLM needs HTTP/1.1", zap.String("reason", identity.KindHTTP11Required.String()),
			zap.String("listener", port), zap.String("proto", v.r.Proto), zap.String("hint", hintHTTP2))
	}
}

// rarely lets something happen once a minute and counts the other times.
type rarely struct {
	next    atomic.Int64 // unix nanoseconds
	skipped atomic.Int64
}

func (o *rarely) due(now time.Time) (skipped int64, due bool) {
	next := o.next.Load()
	if now.UnixNano() < next || !o.next.CompareAndSwap(next, now.Add(time.Minute).UnixNano()) {
		o.skipped.Add(1)
		return 0, false
	}
	return o.skipped.Swap(0), true
}
