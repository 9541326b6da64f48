package identity

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Channel is what a log-in came over, and what it is held to: Extended Protection
// for Authentication, so that what a client sends to one server opens no other. nil
// holds to nothing.
type Channel struct {
	// Required says that a client must name the channel or the service. Else it
	// may, and is held to what it names.
	Required bool
	// TLS says that the client's TLS ends here: what it is bound to is one of Bindings,
	// or of another server, also where none is known.
	TLS bool
	// Bindings are the channel bindings that fit, as MsvAvChannelBindings and Bnd
	// hold them, [MS-NLMP] 2.2.2.1 and RFC 4121 4.1.1.2: of the certificates that
	// this connection can have shown. None where nobody knows: without TLS, or
	// where it ends at a proxy whose bindings no word names.
	Bindings [][16]byte
	// Again gives them once more where Bindings may be a moment old and none fits: a
	// certificate may just have been renewed. May be nil.
	Again func() [][16]byte
	// Targets are the hosts that the client may have meant to reach.
	Targets []string
}

// Meant is what a client has said, under its key, of where it logs in.
type Meant struct {
	Binding *[16]byte // nil where it named no channel
	Target  string    // the service principal name, such as HTTP/web.example.com; "" where it named none
}

// The hints of a log-in that belongs elsewhere.
const (
	hintBound    = "somebody passes on a log-in that was meant for another server; or a proxy with a certificate of its own stands before this one: name that certificate by accept_binding"
	hintUnbound  = "this client names no channel: it is old, its channel bindings are switched off (SuppressExtendedProtection), or it is a program that has none; extended_protection allow takes it"
	hintTarget   = "somebody passes on a log-in that was meant for another server; or the site has one more name: write it behind accept_target"
	hintNoTarget = "without TLS a client must name the service, and this one does not; use HTTPS"
	hintNoNames  = "without TLS a log-in can be held to the name of the service alone: write the site's names behind accept_target, the certificate's hash of a TLS proxy behind accept_binding, or use HTTPS"
)

var errUnbound = errors.New("the client names no channel")

// Check holds what a client meant against the channel. A client that named the
// right channel has named its end, and needs no name of the service besides. The
// error is of KindProtection.
func (c *Channel) Check(m Meant) error {
	if c == nil {
		return nil
	}
	known := c.TLS || len(c.Bindings) > 0
	bound := m.Binding != nil && known
	if bound && c.Again != nil && !slices.Contains(c.Bindings, *m.Binding) {
		c.Bindings = c.Again()
	}
	if bound && !slices.Contains(c.Bindings, *m.Binding) {
		return elsewhere(fmt.Errorf("the client is bound to %x, and this connection to %s", *m.Binding, c.bindings()), hintBound)
	}
	switch {
	case bound:
		return nil
	case c.Required && known:
		return elsewhere(errUnbound, hintUnbound)
	case c.Required && len(c.Targets) == 0:
		return elsewhere(errors.New("nothing is known that a log-in could be held to"), hintNoNames)
	case c.Required && m.Target == "":
		return elsewhere(errors.New("the client names no service"), hintNoTarget)
	case m.Target == "" || len(c.Targets) == 0 || c.isTarget(m.Target):
		return nil
	}
	return elsewhere(fmt.Errorf("the client means %.300q, and this site is %s", m.Target, strings.Join(c.Targets, ", ")), hintTarget)
}

// isTarget reports whether a service principal name is HTTP on one of the hosts.
func (c *Channel) isTarget(spn string) bool {
	class, host, ok := strings.Cut(spn, "/")
	if !ok || !strings.EqualFold(class, "HTTP") {
		return false
	}
	host, _, _ = strings.Cut(host, ":") // Chromium names the port where a policy says so
	return slices.ContainsFunc(c.Targets, func(t string) bool { return strings.EqualFold(t, host) })
}

func (c *Channel) bindings() string {
	if len(c.Bindings) == 0 {
		return "no certificate of this server"
	}
	texts := make([]string, len(c.Bindings))
	for i, b := range c.Bindings {
		texts[i] = fmt.Sprintf("%x", b)
	}
	return strings.Join(texts, " or ")
}

func elsewhere(err error, hint string) error {
	return &Error{Kind: KindProtection, Err: err, Hint: hint}
}
