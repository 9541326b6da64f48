package caddyfile

import (
	"maps"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
)

const siteUsage = "windows_auth [<matcher>] <NAME>… or windows_auth [<matcher>] <ldap-url>…"

// readDirectories reads what follows windows_auth: NAMEs of ldap blocks or, with
// :// in them, the servers of a directory of this site's own.
func (a *handler) readDirectories(l line, app *caddyldap.App) error {
	if len(l.args) == 0 {
		return errorAt(l.word, "no directory after windows_auth: write %s; known: %s", siteUsage, known(app))
	}
	if isURL(l.args[0]) {
		a.own = new(directory)
		a.Directory = &a.own.Directory
		a.site = []*caddyldap.Directory{a.Directory}
	}
	if err := checkSpaces(l.args); err != nil {
		return err
	}
	for _, arg := range l.args {
		if isURL(arg) != (a.own != nil) && arg.Text != "," {
			return errorAt(arg, "a NAME and a URL side by side: write %s", siteUsage)
		}
		if err := a.readDirectory(arg, app); err != nil {
			return err
		}
	}
	return nil
}

// isURL tells a server of the short form from a NAME; a bare host is a NAME.
func isURL(arg caddyfile.Token) bool { return strings.Contains(arg.Text, "://") }

func (a *handler) readDirectory(arg caddyfile.Token, app *caddyldap.App) error {
	if a.own != nil {
		return a.own.addServer(arg)
	}
	if len(app.Directories) == 0 {
		return errorAt(arg, "no directory is named %s, for there is no global block ldap: write %s%s", short(arg.Text), blockUsage("ldap "+short(arg.Text), "server <url>…"), hint(arg.Text, app))
	}
	named, err := app.Directory(arg.Text)
	if err != nil {
		return errorAt(arg, "%w%s", err, hint(arg.Text, app))
	}
	if slices.Contains(a.site, named) {
		return errorAt(arg, "the directory %s stands twice after windows_auth", short(arg.Text))
	}
	a.site = append(a.site, named)
	a.Directories = append(a.Directories, arg.Text)
	return nil
}

// hint says what a NAME that does not exist was probably meant to be.
func hint(name string, app *caddyldap.App) string {
	if strings.Contains(name, ",") {
		return "; separate the directories by spaces"
	}
	if near := nearest(name, slices.Collect(maps.Keys(app.Directories))); near != "" {
		return "; did you mean " + near + "?"
	}
	if strings.ContainsAny(name, ".:") {
		return "; or, for a server, windows_auth ldaps://" + name
	}
	return ""
}

// known lists the NAMEs.
func known(app *caddyldap.App) string {
	if len(app.Directories) == 0 {
		return "none, there is no global ldap block"
	}
	return strings.Join(slices.Sorted(maps.Keys(app.Directories)), ", ")
}

// readOwnDirectory reads the block directory of the short form: the words of an
// ldap block but server, for the servers stand after windows_auth.
func readOwnDirectory(a *handler, l line) error {
	if a.own == nil {
		return errorAt(l.word, "directory stands only where URLs follow windows_auth: write its lines into the global block ldap %s", a.Directories[0])
	}
	for _, inner := range l.block {
		if inner.word.Text == "server" {
			return errorAt(inner.word, "server has no place in directory: write the URL after windows_auth, or a global ldap block")
		}
	}
	own := directoryWords()
	delete(own, "server")
	return own.read(a.own, "directory", l.block)
}

// checkPlaces refuses the words of a directory straight inside windows_auth, and
// says where they belong.
func (a *handler) checkPlaces(lines []line) error {
	here, there := handlerWords(), directoryWords()
	for _, l := range lines {
		word := l.word.Text
		_, ours := here[word]
		_, others := there[word]
		if ours || !others {
			continue
		}
		if _, isRule := ruleWords()[word]; isRule && l.block == nil && len(l.args) > 0 {
			return errorAt(l.word, "%s alone has no place in windows_auth: write require %s %s", word, word, l.written())
		}
		var missing string
		if isDirective(word) {
			missing = "; or is a } missing before it?"
		}
		return errorAt(l.word, "%s belongs %s%s", word, a.placeOf(word), missing)
	}
	return nil
}

// placeOf is where a word of a directory belongs in this site's form.
func (a *handler) placeOf(word string) string {
	switch {
	case a.own == nil:
		return "into the global block ldap " + strings.Join(a.Directories, " or ldap ") + " { … }"
	case word == "server":
		return "after windows_auth, as a URL without the word"
	}
	return "into directory { … }"
}

// finishOwn checks the directory of the short form.
func (a *handler) finishOwn(word caddyfile.Token) error {
	if a.own == nil {
		return nil
	}
	_, err := a.own.finish(word)
	return err
}
