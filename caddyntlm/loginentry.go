package caddyntlm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// maxEntry bounds the body of a log-in, in bytes: a name, a password, a code, a target.
const maxEntry = 8 << 10

// entry is what somebody has typed into the page, or a program sends in its place.
type entry struct {
	program  bool // it came as JSON, and is answered so
	name     string
	password identity.Secret
	code     identity.Secret // of a second factor
	next     string          // where to go afterwards, as the client says
	token    string          // of the form
}

var (
	errNoEntry  = errors.New("neither a form (application/x-www-form-urlencoded) nor JSON (application/json)")
	errBadEntry = errors.New("the body is not what its content type says")
)

const hintEntry = `A program sends Content-Type: application/json and {"name": "…", "password": "…"}; docs/login.md says what it gets.`

// readEntry reads the body of a log-in. The entry says beside an error too whether a
// program sends it.
func readEntry(w http.ResponseWriter, r *http.Request) (entry, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	e := entry{program: kind == "application/json"}
	if err != nil || !e.program && kind != "application/x-www-form-urlencoded" {
		return e, &identity.Error{Kind: identity.KindMalformed, Err: errNoEntry, Hint: hintEntry}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEntry))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return e, &identity.Error{Kind: identity.KindBodyTooLarge, Err: fmt.Errorf("a log-in of more than %d bytes", maxEntry)}
	}
	if err != nil || !utf8.Valid(body) {
		return e, identity.Fail(identity.KindMalformed, errBadEntry)
	}
	if e.program {
		return e, e.fromJSON(body)
	}
	return e, e.fromForm(string(body))
}

// entryFields are those of a program's log-in.
var entryFields = []string{"name", "password", "code"}

// badField is the field of a program's log-in that is wrong, and how: never its value.
type badField struct{ field, how string }

func (b badField) Error() string { return errBadEntry.Error() + ": " + b.field + " " + b.how }

func (b badField) refusal() error {
	return &identity.Error{Kind: identity.KindMalformed, Err: b, Hint: `The field "` + b.field + `" ` + b.how + ". " + hintEntry}
}

// fromJSON takes one object and nothing behind it.
func (e *entry) fromJSON(body []byte) error {
	var sent struct {
		Name, Password *string
		Code           string
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	err := decoder.Decode(&sent)
	if err == nil && decoder.Decode(new(json.RawMessage)) != io.EOF {
		err = errBadEntry
	}
	switch wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); {
	case ok && slices.Contains(entryFields, strings.ToLower(wrong.Field)):
		return badField{strings.ToLower(wrong.Field), "is not a text"}.refusal()
	case err != nil:
		return &identity.Error{Kind: identity.KindMalformed, Err: errBadEntry, Hint: hintEntry} // the decoder's own error may show what was sent
	case sent.Name == nil:
		return badField{"name", "is missing"}.refusal()
	case sent.Password == nil:
		return badField{"password", "is missing"}.refusal()
	}
	e.name, e.password, e.code = *sent.Name, identity.NewSecret(*sent.Password), identity.NewSecret(sent.Code)
	return nil
}

// fromForm takes the fields of the page. Browsers send each once.
func (e *entry) fromForm(body string) error {
	fields, err := url.ParseQuery(body)
	if err != nil {
		return identity.Fail(identity.KindMalformed, errBadEntry)
	}
	for _, values := range fields {
		if len(values) > 1 || !utf8.ValidString(values[0]) {
			return identity.Fail(identity.KindMalformed, errBadEntry)
		}
	}
	// Nobody means the spaces around a name that was pasted; a password may have some.
	e.name, e.password = strings.TrimSpace(fields.Get("name")), identity.NewSecret(fields.Get("password"))
	e.code, e.next, e.token = identity.NewSecret(fields.Get("code")), fields.Get("next"), fields.Get("token")
	return nil
}
