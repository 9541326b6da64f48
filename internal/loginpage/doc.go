// Package loginpage is the log-in page and what guards its form, without anybody who
// checks passwords: the door decides, this room says it to people.
//
//   - target.go: where a log-in may lead
//   - token.go: a form that only our own page can have filled in
//   - page.go, page.html, page.css: the page and its headers
//   - own.go: an administrator's template in its place
//   - texts.go, language.go: its words, by the languages of the browser
package loginpage
