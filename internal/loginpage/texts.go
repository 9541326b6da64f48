package loginpage

// Texts are the words of the page in one language, without markup.
type Texts struct {
	// SignIn and SignOut are headings and buttons, Name, Password and Code labels.
	SignIn, SignOut, Name, Password, Code string
	// Asked stands above the field for a code, and WrongCode in the place of the reason
	// Wrong where there is one.
	Asked, WrongCode string
	// To stands before the host of the site.
	To string
	// SignedInAs stands before who is signed in.
	SignedInAs string
	// NoAccess is the heading for somebody who is known and may not, MayNot its text,
	// OtherAccount the way to another log-in.
	NoAccess, MayNot, OtherAccount string
	// SignedOut is the heading after a log-out, CloseWindow its text, Again the way back.
	SignedOut, CloseWindow, Again string
	// WaitShort, WaitMinute and WaitMinutes are Throttled with how long it lasts, in the last
	// as a number in the place of %d.
	WaitShort, WaitMinute, WaitMinutes string
	// Reasons say why there is no log-in.
	Reasons map[Reason]string
}

// Reason is why the page is shown again, as far as its reader may know.
type Reason string

// The reasons. Those of an account are given to nobody but who knew its password:
// Wrong stands for all of them otherwise.
const (
	Wrong           Reason = "bad_credentials"
	PasswordExpired Reason = "password_expired"
	MustChange      Reason = "must_change"
	Disabled        Reason = "disabled"
	AccountExpired  Reason = "account_expired"
	LogonHours      Reason = "logon_hours"
	Workstation     Reason = "workstation"
	Restricted      Reason = "restriction"
	Throttled       Reason = "throttled"
	Unavailable     Reason = "unavailable"
	Failed          Reason = "internal" // nobody foresaw
	Stale           Reason = "stale_form"
	Unreadable      Reason = "unreadable" // a form that no page of ours sent
)

// Reasons lists every reason.
func Reasons() []Reason {
	return []Reason{
		Wrong, PasswordExpired, MustChange, Disabled, AccountExpired, LogonHours, Workstation, Restricted,
		Throttled, Unavailable, Failed, Stale, Unreadable,
	}
}

// texts are the words by language, the primary subtag of RFC 5646 2.2.1.
var texts = map[string]*Texts{
	"en": {
		SignIn: "Sign in", SignOut: "Sign out", Name: "User name", Password: "Password", Code: "Code",
		Asked:      "The code that your authenticator shows, if you use one.",
		WrongCode:  "Check the user name, the password and the code. A code is good once. If all are right, your account may be locked: wait a while.",
		To:         "to",
		SignedInAs: "You are signed in as",
		NoAccess:   "No access", MayNot: "Your account may not open this page.", OtherAccount: "Use another account",
		SignedOut: "You are signed out", CloseWindow: "Close the browser if others use this device.", Again: "Sign in again",
		WaitShort:   "Too many attempts. Try again in less than a minute.",
		WaitMinute:  "Too many attempts. Try again in about a minute.",
		WaitMinutes: "Too many attempts. Try again in about %d minutes.",
		Reasons: map[Reason]string{
			Wrong:           "Check the user name and the password. If both are right, your account may be locked: wait a while.",
			PasswordExpired: "Your password has expired. Change it, for example on a computer of your organisation, and come back.",
			MustChange:      "Your password must be changed first. Change it, for example on a computer of your organisation, and come back.",
			Disabled:        "Your account is disabled. Ask your administrator.",
			AccountExpired:  "Your account has expired. Ask your administrator.",
			LogonHours:      "Your account may not sign in at this hour.",
			Workstation:     "Your account may not sign in from here. Ask your administrator.",
			Restricted:      "Your account may not sign in this way. Ask your administrator.",
			Throttled:       "Too many attempts. Wait a while, then try again.",
			Unavailable:     "Signing in is not possible right now. It is not your password: try again in a moment.",
			Failed:          "Something went wrong here. It is not your password: tell your administrator.",
			Stale:           "This page had been open for too long, or the browser keeps no cookies. Please try again.",
			Unreadable:      "The form arrived incomplete. Please try again.",
		},
	},
	"de": {
		SignIn: "Anmelden", SignOut: "Abmelden", Name: "Benutzername", Password: "Passwort", Code: "Code",
		Asked:      "Der Code aus Ihrer Authenticator-App, falls Sie eine verwenden.",
		WrongCode:  "Prüfen Sie Benutzername, Passwort und Code. Ein Code gilt nur einmal. Wenn alles stimmt, ist Ihr Konto vielleicht gesperrt: Warten Sie eine Weile.",
		To:         "bei",
		SignedInAs: "Sie sind angemeldet als",
		NoAccess:   "Kein Zugriff", MayNot: "Ihr Konto darf diese Seite nicht öffnen.", OtherAccount: "Anderes Konto verwenden",
		SignedOut: "Sie sind abgemeldet", CloseWindow: "Schließen Sie den Browser, wenn andere dieses Gerät benutzen.", Again: "Wieder anmelden",
		WaitShort:   "Zu viele Versuche. Versuchen Sie es in weniger als einer Minute wieder.",
		WaitMinute:  "Zu viele Versuche. Versuchen Sie es in etwa einer Minute wieder.",
		WaitMinutes: "Zu viele Versuche. Versuchen Sie es in etwa %d Minuten wieder.",
		Reasons: map[Reason]string{
			Wrong:           "Prüfen Sie Benutzername und Passwort. Wenn beides stimmt, ist Ihr Konto vielleicht gesperrt: Warten Sie eine Weile.",
			PasswordExpired: "Ihr Passwort ist abgelaufen. Ändern Sie es, zum Beispiel an einem Rechner Ihrer Organisation, und kommen Sie wieder.",
			MustChange:      "Ihr Passwort muss zuerst geändert werden. Ändern Sie es, zum Beispiel an einem Rechner Ihrer Organisation, und kommen Sie wieder.",
			Disabled:        "Ihr Konto ist deaktiviert. Fragen Sie Ihre Administration.",
			AccountExpired:  "Ihr Konto ist abgelaufen. Fragen Sie Ihre Administration.",
			LogonHours:      "Ihr Konto darf sich um diese Zeit nicht anmelden.",
			Workstation:     "Ihr Konto darf sich von hier nicht anmelden. Fragen Sie Ihre Administration.",
			Restricted:      "Ihr Konto darf sich auf diesem Weg nicht anmelden. Fragen Sie Ihre Administration.",
			Throttled:       "Zu viele Versuche. Warten Sie eine Weile, und versuchen Sie es dann wieder.",
			Unavailable:     "Die Anmeldung ist gerade nicht möglich. An Ihrem Passwort liegt es nicht: Versuchen Sie es gleich noch einmal.",
			Failed:          "Hier ist etwas schiefgegangen. An Ihrem Passwort liegt es nicht: Sagen Sie Ihrer Administration Bescheid.",
			Stale:           "Diese Seite war zu lange offen, oder der Browser behält keine Cookies. Bitte versuchen Sie es noch einmal.",
			Unreadable:      "Das Formular kam unvollständig an. Bitte versuchen Sie es noch einmal.",
		},
	},
}

// Say is a reason in words, empty for none. Where a code is asked for, whoever is wrong is
// told of it as of the name and the password, whichever it was.
func (t *Texts) Say(reason Reason, askCode bool) string {
	if reason == Wrong && askCode {
		return t.WrongCode
	}
	return t.Reasons[reason]
}

// TextsOf are the words in a language that PickLanguage gave.
func TextsOf(language string) *Texts {
	if t, ok := texts[language]; ok {
		return t
	}
	return texts["en"]
}
