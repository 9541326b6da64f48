package loginpage

import "testing"

func TestSayAfter(t *testing.T) {
	en, de := TextsOf("en"), TextsOf("de")
	for _, test := range []struct {
		texts      *Texts
		reason     Reason
		retryAfter string
		want       string
	}{
		{en, Throttled, "1", "Too many attempts. Try again in less than a minute."},
		{en, Throttled, "60", "Too many attempts. Try again in about a minute."},
		{en, Throttled, "245", "Too many attempts. Try again in about 5 minutes."},
		{de, Throttled, "900", "Zu viele Versuche. Versuchen Sie es in etwa 15 Minuten wieder."},
		{en, Throttled, "", en.Reasons[Throttled]},
		{en, Throttled, "soon", en.Reasons[Throttled]},
		{en, Unavailable, "5", en.Reasons[Unavailable]},
		{en, Wrong, "300", en.Reasons[Wrong]},
	} {
		if got := test.texts.SayAfter(test.reason, false, test.retryAfter); got != test.want {
			t.Errorf("%s after %q: got %q, want %q", test.reason, test.retryAfter, got, test.want)
		}
	}
}
