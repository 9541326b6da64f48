package caddyntlm

import (
	"github.com/caddy-ntlm/caddy-ntlm/internal/session"
)

// forgetSeats makes the connections of the listener forget an account: whoever logs out
// must not be let in again by another connection of the same browser.
func (v *visit) forgetSeats(directory, account string) {
	table := v.door.conns
	if v.conn != nil {
		table = v.conn.table
	}
	table.forget(directory, account)
}

// forget empties the seats of an account, and what connections remember of its passwords.
func (t *conns) forget(directory, account string) {
	t.mu.Lock()
	open := make([]*conn, 0, len(t.open))
	for _, c := range t.open {
		open = append(open, c)
	}
	t.mu.Unlock()
	for _, c := range open {
		c.mu.Lock()
		for i := range c.seats {
			if id := c.seats[i].held.id; id != nil && c.seats[i].key == directory && id.AccountKey() == account {
				c.seats[i].apply(eventForget, held{})
			}
		}
		c.mu.Unlock()
	}
}

// tellLogOut is the one place that tells of a log-out, which may be of no session.
func (v *visit) tellLogOut(*carried) {}

// countSession counts what became of a session.
func (v *visit) countSession(string, session.Form) {}
