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

// forgetEverywhere does so on the connections of all listeners of this process.
func forgetEverywhere(directory, account string) {
	for _, h := range livingDoors() {
		h.conns.forget(directory, account)
	}
}

// forget empties the seats of an account. What connections remember of passwords stays: it
// opens to nobody but who sends the password again.
func (t *conns) forget(directory, account string) {
	t.eachSeat(func(s *seat) {
		if id := s.held.id; id != nil && s.key == directory && id.AccountKey() == account {
			s.apply(eventForget, held{})
		}
	})
}

// countSession counts what became of a session.
func (v *visit) countSession(event string, form session.Form) {
	if m := v.door.meter; m != nil {
		m.sessions.WithLabelValues(event, form.String()).Inc()
	}
}

// livingDoors are the doors of all configurations that run.
func livingDoors() (doors []*Handler) {
	sharedMetrics.Range(func(_, value any) bool {
		m := value.(*metrics)
		m.mu.Lock()
		defer m.mu.Unlock()
		for h := range m.doors {
			doors = append(doors, h)
		}
		return true
	})
	return doors
}

// countEnded counts a session that an administrator has ended.
func countEnded(form session.Form) {
	sharedMetrics.Range(func(_, value any) bool {
		value.(*metrics).sessions.WithLabelValues("ended", form.String()).Inc()
		return true
	})
}
