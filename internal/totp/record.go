package totp

import (
	"encoding/json"
	"errors"
	"slices"
	"time"
)

// Guesses are bounded, RFC 4226 7.3: so many wrong codes of somebody within so long.
const (
	MostWrong = 5
	Within    = 15 * time.Minute
)

// keep is how long a record is kept. Longer than a code can be accepted after it was
// once, three periods, and than wrong ones count, by the clocks of several nodes.
const keep = 2 * Within

// record is what is remembered of somebody: one for all of his devices, all flows and
// all schemes.
type record struct {
	// Spent is the end of the last step whose code was accepted, in Unix seconds. No
	// step that begins before is accepted again, of whichever device.
	Spent int64 `json:"spent,omitempty"`
	// Wrong is when wrong codes came, the oldest first.
	Wrong []int64 `json:"wrong,omitempty"`
}

var errRecord = errors.New("the store holds something else than a record of codes")

// readRecord reads a record, and forgets wrong codes that no longer count.
func readRecord(raw []byte, now time.Time) (r record, err error) {
	if raw != nil && json.Unmarshal(raw, &r) != nil {
		return record{}, errRecord
	}
	r.Wrong = slices.DeleteFunc(r.Wrong, func(at int64) bool { return now.Sub(time.Unix(at, 0)) >= Within })
	return r, nil
}

func (r record) bytes() ([]byte, error) { return json.Marshal(r) }
