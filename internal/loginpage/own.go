package loginpage

import (
	"errors"
	"fmt"
	"html/template"
	"os"
	"strings"
)

// maxOwn is how long an administrator's template may be, in bytes.
const maxOwn = 1 << 20

var errLong = errors.New("longer than 1 MiB")

// Load reads an administrator's template and fills it in once for each view, so that a
// mistake shows before anybody needs the page. Its errors name file and line.
func Load(file string) (*Template, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxOwn {
		return nil, fmt.Errorf("%s: %w", file, errLong)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return parse(file, string(text))
}

// parse makes a template of a text; file is its name in errors.
func parse(file, text string) (*Template, error) {
	inner, err := template.New(file).Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, err
	}
	t := &Template{inner: inner, own: true}
	for _, view := range Views() {
		if err := t.try(file, view); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// try fills the page in as for somebody, and looks for what no page can do without.
func (t *Template) try(file string, view View) error {
	p := sample(view)
	text, _, err := t.render(p)
	if err != nil {
		return err
	}
	var needed []string
	switch view {
	case ViewLogin:
		needed = []string{`name="name"`, `name="password"`, `name="token"`, `name="next"`, p.Token, p.Action, p.Texts.Reasons[Wrong]}
	case ViewLogout:
		needed = []string{`name="token"`, p.Token, p.Action}
	}
	for _, part := range needed {
		if !strings.Contains(string(text), template.HTMLEscapeString(part)) && !strings.Contains(string(text), part) {
			return fmt.Errorf("%s: the view %s does not hold %s: docs/login.md says what its form needs", file, view, part)
		}
	}
	return nil
}

// sample is a page as it could be.
func sample(view View) Page {
	t := TextsOf("en")
	p := Page{
		View: view, Lang: "en", Texts: t, Site: "intranet.example.com", User: "Alice Example", Action: "/.auth/login",
		Login: "/.auth/login", Logout: "/.auth/logout", Next: "/start", Token: NewToken(NewCookie()),
	}
	switch view {
	case ViewLogin:
		p.Reason, p.Name = t.Reasons[Wrong], "alice"
	case ViewLogout:
		p.Action = p.Logout
	}
	return p
}
