package caddyfile

import (
	"slices"
	"strings"
)

// checkUsers refuses Users among other names between spaces: it is far more
// often the end of a name that lacks its quotes, as in group Web Users, than
// the group BUILTIN\Users, which holds every account of the domain and would
// let everybody in.
func checkUsers(l line, pieces []piece) error {
	i := slices.IndexFunc(pieces, isUsers)
	if i < 0 || !severalUnquoted(pieces) {
		return nil
	}
	at, users := pieces[i].at, pieces[i].text
	const everybody = `every account of the domain is in BUILTIN\Users`
	if i == 0 || pieces[i-1].kind != plain {
		return errorAt(at, `%s among other names is a group of its own, and %s: write BUILTIN\Users if you mean that one, and quotes around a name that has spaces`, users, everybody)
	}
	word, before := l.word.Text, short(pieces[i-1].text)
	if i > 1 {
		word += " …"
	}
	return errorAt(at, `%[1]s %[2]s %[3]s names the groups "%[2]s" and "%[3]s", and %[4]s: write %[1]s "%[2]s %[3]s", or BUILTIN\Users if you mean that one`,
		word, before, users, everybody)
}

// usersNames are the names of BUILTIN\Users in Windows' languages.
var usersNames = []string{
	"Users", "Benutzer", "Utilisateurs", "Usuarios", "Usuários", "Utilizadores", "Utenti", "Gebruikers", "Användare",
	"Brugere", "Brukere", "Käyttäjät", "Użytkownicy", "Uživatelé", "Felhasználók", "Kullanıcılar", "Пользователи", "Χρήστες",
}

// isUsers says of a piece that it is Users without quotes and without a domain.
func isUsers(p piece) bool {
	return p.kind == plain && slices.ContainsFunc(usersNames, func(name string) bool { return strings.EqualFold(p.text, name) })
}

// severalUnquoted says that spaces separate the names, and that more than one
// of them has no quotes.
func severalUnquoted(pieces []piece) bool {
	unquoted := 0
	for _, p := range pieces {
		switch p.kind {
		case comma:
			return false
		case plain, dn:
			unquoted++
		case quoted:
		}
	}
	return unquoted > 1
}
