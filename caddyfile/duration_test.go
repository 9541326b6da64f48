package caddyfile

import "testing"

func TestClosedUp(t *testing.T) {
	for text, want := range map[string]string{
		"8 h": "8h", "1 h 30 m": "1h30m", "8h": "", "8 hours": "", "0 s": "", "": "", "- 8 h": "",
	} {
		got, ok := closedUp(text)
		if ok != (want != "") || ok && got != want {
			t.Errorf("%q: got %q, %v, want %q", text, got, ok, want)
		}
	}
}

// Two neighbours in the wrong order are one slip of the pen.
func TestNearestSeesSwaps(t *testing.T) {
	for text, want := range map[string]string{
		"gruop": "group", "topt": "totp", "HR": "", "usre": "user", "alice": "", "attirbute": "attribute",
	} {
		known := append(handlerWords().list(), ruleWords().list()...)
		if got := nearest(text, known); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}
