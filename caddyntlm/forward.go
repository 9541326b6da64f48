package caddyntlm

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// Forward tells the application about the user in a request header. Whatever a
// client sends under that name is removed first, from every request.
type Forward struct {
	// Name of the header, for example X-Remote-User. Headers that HTTP itself
	// or Caddy needs cannot be taken.
	Header string `json:"header"`
	// Its value, with placeholders: {http.auth.user.id}. Where a placeholder is
	// empty, and where nobody is logged in, the header is absent.
	Value string `json:"value"`
}

// reserved are headers with a meaning of their own for HTTP, Caddy or FastCGI.
var reserved = newHeaderNames(
	"Accept-Encoding", "Authorization", "Connection", "Content-Encoding", "Content-Length", "Content-Range", "Content-Type",
	"Cookie", "Early-Data", "Expect", "Forwarded", "Host", "HTTP2-Settings", "Keep-Alive", "Max-Forwards", "Proxy",
	"Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Range", "TE", "Trailer", "Transfer-Encoding", "Upgrade",
	"Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP",
)

// CheckForward says what is wrong with the first forward line that has a fault.
func CheckForward(lines []Forward) error {
	_, err := newForwarding(lines)
	return err
}

// check says what is wrong with the line itself.
func (f Forward) check() error {
	switch {
	case !isToken(f.Header):
		return fmt.Errorf("forward: %q is not the name of a header", f.Header)
	case reserved.has(f.Header), strings.HasPrefix(fold(f.Header), "sec-"):
		return fmt.Errorf("forward: the header %s has a meaning of its own and cannot carry a user: take another, such as X-Remote-User", f.Header)
	case strings.TrimSpace(f.Value) == "":
		return fmt.Errorf("forward: no value for %s, write {http.auth.user.id} for the user's name", f.Header)
	case !fitsHeader(f.Value):
		return fmt.Errorf("forward: the value for %s holds a control character or is not UTF-8", f.Header)
	}
	_, err := caddy.NewEmptyReplacer().ReplaceFunc(f.Value, func(key string, _ any) (any, error) {
		if strings.HasPrefix(key, placeholderPrefix) && !isPlaceholder(key) {
			return nil, fmt.Errorf("forward: the placeholder {%s} does not exist", key)
		}
		return nil, nil
	})
	return err
}

// forwarding is what becomes of all forward lines.
type forwarding struct {
	lines   []Forward // with canonical names
	names   headerNames
	refused rarely
}

func newForwarding(lines []Forward) (*forwarding, error) {
	f := &forwarding{lines: slices.Clone(lines)}
	for i, line := range lines {
		if err := line.check(); err != nil {
			return nil, err
		}
		if f.names.has(line.Header) {
			return nil, fmt.Errorf("forward: the header %s stands twice, or another that differs only in capitals or punctuation", line.Header)
		}
		f.lines[i].Header = http.CanonicalHeaderKey(line.Header)
		f.names = append(f.names, fold(line.Header))
	}
	return f, nil
}

var errAbsent = errors.New("a placeholder is empty")

// handOff tells the application who the user is. The client's copies are gone
// already, so that a value that cannot be sent leaves no header at all.
func (v *visit) handOff() {
	if len(v.door.forwarding.lines) == 0 {
		return
	}
	repl, ok := v.r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return
	}
	for _, line := range v.door.forwarding.lines {
		value, err := line.write(repl)
		switch {
		case err != nil || strings.TrimSpace(value) == "":
		case !fitsHeader(value):
			v.noticeUnfit(line.Header)
		default:
			v.r.Header[line.Header] = []string{value}
		}
	}
}

// write is the value for one request.
func (f Forward) write(repl *caddy.Replacer) (string, error) {
	return repl.ReplaceFunc(f.Value, func(_ string, value any) (any, error) {
		if caddy.ToString(value) == "" {
			return nil, errAbsent
		}
		return value, nil
	})
}

// fitsHeader reports whether a value can be sent as it is. One with a line end
// or another control character is not sent at all: what would be left of it
// could be somebody else's name.
func fitsHeader(value string) bool {
	return utf8.ValidString(value) && !strings.ContainsFunc(value, unicode.IsControl)
}

// noticeUnfit warns that the directory holds what no header can carry.
func (v *visit) noticeUnfit(header string) {
	if skipped, due := v.door.forwarding.refused.due(v.start); due {
		v.door.log.Warn("forwarded header left out", zap.String("reason", "header_unfit"), zap.String("header", header),
			zap.String("user", v.id.Logon()), zap.Int64("skipped", skipped),
			zap.String("hint", "What the directory holds for this account has a control character in it; mend the attribute."))
	}
}

// isPlaceholder reports whether there is such a placeholder about the user.
func isPlaceholder(key string) bool {
	if _, ok := attributeOf(key); ok {
		return true
	}
	anybody := visit{id: new(identity.Identity)}
	_, known := anybody.placeholder(key)
	return known
}
