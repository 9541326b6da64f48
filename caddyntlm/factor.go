package caddyntlm

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
	"github.com/caddy-ntlm/caddy-ntlm/internal/totp"
)

// TOTP asks for a second factor: a code of the time, RFC 6238, behind the password or on
// the log-in page. It holds for each request, by whichever scheme it comes.
type TOTP struct {
	// The LDAP attribute of accounts that holds the secret, as an otpauth:// URI; several
	// values are several devices. The directory's service account reads it, and nobody
	// else should be able to.
	Attribute string `json:"attribute,omitempty"`
	// Who owes a second factor. Default: everybody.
	Require *policy.Rule `json:"require,omitempty"`
	// What lets somebody in without a code, though it carries none: kerberos, ntlm.
	Exempt []string `json:"exempt,omitempty"`
}

// exemptions are the words of exempt.
var exemptions = map[string]mechanism{"kerberos": byTicket, "ntlm": byNTLM}

// CheckExempt says what is wrong with a word of exempt.
func CheckExempt(word string) error {
	switch _, known := exemptions[word]; {
	case known:
		return nil
	case word == schemeNegotiate.String():
		return errors.New("exempt negotiate: Kerberos and NTLM both come under it; write kerberos, ntlm or both")
	case word == schemeBasic.String():
		return errors.New("exempt basic: a password carries its code itself; write require lines in the block totp to say who owes one")
	}
	return fmt.Errorf("exempt %s: unknown; known: kerberos, ntlm", word)
}

// factor is TOTP made ready.
type factor struct {
	attribute string
	free      *policy.Policy // whom it lets pass owes nothing; nil where everybody owes
	exempt    []mechanism
	checker   *totp.Checker
}

// settleFactor checks the word totp against the directories, which from then on show the
// attribute to nobody else.
func (h *Handler) settleFactor() error {
	if h.TOTP == nil {
		return nil
	}
	f := &factor{attribute: h.TOTP.Attribute, checker: totp.New(h.store, func() time.Time { return h.now() })}
	if f.attribute == "" {
		return errors.New("totp: no attribute is named; write the one that holds the otpauth:// URIs, as attribute <ldap-attribute>")
	}
	for i, word := range h.TOTP.Exempt {
		if err := CheckExempt(word); err != nil {
			return fmt.Errorf("totp: %w", err)
		}
		if slices.Contains(h.TOTP.Exempt[:i], word) {
			return fmt.Errorf("totp: exempt %s stands there twice", word)
		}
		f.exempt = append(f.exempt, exemptions[word])
	}
	if h.TOTP.Require != nil {
		// Whoever may fit owes: what a directory does not show frees nobody, as none has it.
		free := policy.Rule{All: []policy.Rule{{ValidUser: true}, {None: []policy.Rule{*h.TOTP.Require}}}}
		var err error
		if f.free, err = policy.Compile(free); err != nil {
			return fmt.Errorf("totp: require: %w", err)
		}
	}
	for _, d := range h.directories {
		source, ok := d.(identity.FactorSource)
		if !ok {
			return fmt.Errorf("totp: directory %s keeps no second factors", d.Name())
		}
		if err := source.Conceal(f.attribute); err != nil {
			return fmt.Errorf("totp: %w", err)
		}
	}
	h.factor = f
	return nil
}

// factorWants is what the rule of who owes a code asks about.
func (h *Handler) factorWants() caddyldap.Wants {
	if h.TOTP == nil || h.TOTP.Require == nil {
		return caddyldap.Wants{}
	}
	return caddyldap.WantsOf(*h.TOTP.Require)
}

// name says what a second factor is checked by here: one that another attribute has the
// secret of proves nothing. LDAP takes no notice of capitals in names, RFC 4512 2.5.
func (f *factor) name() string { return strings.ToLower(f.attribute) }

// exempts reports whether what proves somebody stands for a code too.
func (f *factor) exempts(by mechanism) bool { return slices.Contains(f.exempt, by) }

// carries reports whether somebody who owes a second factor can come in by a scheme
// alone.
func (h *Handler) carries(s scheme) bool {
	switch {
	case h.TOTP == nil || s == schemeBasic:
		return true
	case s == schemeNegotiate && slices.Contains(h.TOTP.Exempt, "kerberos") && h.ticketDirectory() != nil:
		return true
	}
	return slices.Contains(h.TOTP.Exempt, "ntlm")
}

// lendsCode reports whether a scheme without a code is of use to anybody: to those who
// owe none, or have given it before.
func (h *Handler) lendsCode(s scheme) bool {
	return h.carries(s) || h.TOTP.Require != nil || h.keepsSessions()
}

// keepsSessions reports whether a log-in opens a session, which holds its second factor.
func (h *Handler) keepsSessions() bool { return h.Session != nil }

// TakesCode reports whether somebody who owes a second factor can log in here: with a code
// behind a password or on the page, or by what stands for one.
func (h *Handler) TakesCode() bool {
	return h.Login != nil || slices.ContainsFunc(h.offered, h.carries)
}

// HintCode is what to do where nobody can give a code.
const HintCode = "Add basic to schemes, or write login: a code comes behind a password, or on the log-in page."

// foreseeCodes says what of totp is known at the start to trouble users.
func (h *Handler) foreseeCodes() []caddyldap.Observation {
	if h.TOTP == nil {
		return nil
	}
	o := caddyldap.Observation{Level: caddyldap.Faulty, About: "totp", Hint: HintCode}
	switch {
	case !h.TakesCode() && h.keepsSessions():
		o.Hint += " A session that another site of the host opened by a code is let in all the same."
		fallthrough
	case !h.TakesCode():
		o.Text = "totp asks for a code, and no scheme here carries one: whoever owes a code cannot log in"
		if h.TOTP.Require == nil {
			o.Text = "totp asks everybody for a code, and no scheme here carries one: nobody can log in"
		}
	case !h.keepsSessions() && slices.Contains(h.offered, schemeBasic):
		o.Level, o.Text = caddyldap.Notable, "totp without session: each request needs a code of its own"
		o.Hint = "A browser sends the same password and code with each request, and a code is good once, so that it asks again and again. Write session, whose cookie holds the second factor; programs that send one request in 30 seconds need none."
	default:
		return nil
	}
	return []caddyldap.Observation{o}
}
