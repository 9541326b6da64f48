package loginpage

import (
	"fmt"
	"strconv"
)

// SayAfter is a reason in words, with how long whoever had too many attempts waits: what
// the header Retry-After of the answer says in seconds, and nothing that it does not.
func (t *Texts) SayAfter(reason Reason, askCode bool, retryAfter string) string {
	seconds, err := strconv.Atoi(retryAfter)
	if reason != Throttled || err != nil || seconds <= 0 {
		return t.Say(reason, askCode)
	}
	switch minutes := (seconds + 59) / 60; {
	case seconds < 50:
		return t.WaitShort
	case minutes == 1:
		return t.WaitMinute
	default:
		return fmt.Sprintf(t.WaitMinutes, minutes)
	}
}
