package caddyldap

import (
	"context"
	"fmt"
	"strings"

	"go.uber.org/zap"
)

// lockoutView is what whoever searches may see of when accounts are locked.
type lockoutView struct {
	domain    lockout
	settings  int     // password settings objects
	strictest lockout // of these
	unread    string  // one that shows nothing
	hidden    bool    // accounts do not show which one is theirs
}

// viewLockout looks at the policies of the domain.
func viewLockout(ctx context.Context, c *conn, root rootDSE) (v lockoutView, err error) {
	e, err := c.entry(ctx, root.base, "lockoutThreshold", "lockOutObservationWindow")
	if err != nil && !isResult(err) {
		return v, err
	}
	v.domain = readLockout(e, "lockoutThreshold", "lockOutObservationWindow")
	list, err := c.oneLevel(ctx, settingsContainer(root))
	if err != nil && !isResult(err) {
		return v, err
	}
	v.settings = len(list)
	for _, e := range list {
		l := readLockout(e, "msDS-LockoutThreshold", "msDS-LockoutObservationWindow")
		switch {
		case !l.known:
			v.unread = e.DN
		case l.threshold > 0 && (!v.strictest.known || l.threshold < v.strictest.threshold):
			v.strictest = l
		}
	}
	people, err := c.some(ctx, root.base, "(&(objectCategory=person)(objectClass=user)(!(adminCount=1)))", 1, "uSNChanged")
	if err != nil && !isResult(err) {
		return v, err
	}
	v.hidden = c.server.url.isCatalog() || len(people) > 0 && value(people[0], "uSNChanged") == ""
	return v, nil
}

// text is when accounts are locked.
func (v lockoutView) text() string {
	text := "wrong passwords lock no account of this domain"
	if v.domain.threshold > 0 {
		text = wrongPasswords(v.domain.threshold)
	}
	if v.strictest.known {
		text += fmt.Sprintf(", %d by the strictest of %d password settings objects", v.strictest.threshold, v.settings)
	}
	return text
}

func wrongPasswords(threshold int) string {
	if threshold == 1 {
		return "1 wrong password locks an account"
	}
	return fmt.Sprintf("%d wrong passwords lock an account", threshold)
}

// least is the lowest threshold.
func (v lockoutView) least() int {
	return v.domain.stricter(v.strictest).threshold
}

// tight is what a threshold means of which throttle cannot keep anything for anybody, and
// the cure; empty where it can.
func tight(least int) string {
	const cure = ": raise the account lockout threshold to 5 or more, 10 is what Microsoft proposes"
	switch least {
	case 1:
		return "each guess locks, whatever throttle does: one password must reach a controller, or nobody could log in" + cure
	case 2:
		return "a stranger's one guess makes an account wait, and no try is kept for its owner" + cure
	}
	return ""
}

// hintThreshold is about a policy of the domain that cannot be read.
const hintThreshold = "let the service account read lockoutThreshold of the domain's own entry, as users of a domain may: without it a domain that locks sooner than throttle stops is not known"

// amiss is what cannot be seen, and the right that is missing; nothing where all can.
func (v lockoutView) amiss(root rootDSE, account string) (text, hint string) {
	assumed := fmt.Sprintf("counted as if %d wrong passwords locked them", assumedThreshold)
	switch {
	case !v.domain.known:
		return "the service account may not read lockoutThreshold", hintThreshold
	case v.hidden:
		return "accounts do not show msDS-ResultantPSO, the finer policy that may be for them: all are " + assumed,
			"let the service account read all properties of users, as members of Pre-Windows 2000 Compatible Access do; a global catalog never shows it"
	case v.unread != "":
		return v.unread + " cannot be read: accounts under it are " + assumed,
			`let the service account read the password settings: dsacls "` + settingsContainer(root) + `" /I:T /G "` + account + `:GR"`
	}
	return "", ""
}

// lockout says how many wrong passwords accounts bear.
func (x *examination) lockout(ctx context.Context, c *conn, root rootDSE) {
	if !root.ad {
		x.policies(ctx, c, root)
		return
	}
	v, err := viewLockout(ctx, c, root)
	if err != nil {
		x.fault("lockout", diagnose(c.server, searching, err))
		return
	}
	switch {
	case !v.domain.known:
	case tight(v.least()) != "":
		x.note("lockout", v.text(), tight(v.least()))
	case v.domain.threshold == 0 && !v.strictest.known:
		x.note("lockout", v.text(), "throttle stops whoever guesses here, and nothing does at the domain's other doors: set an account lockout threshold")
	default:
		x.well("lockout", "%s", v.text())
	}
	switch text, hint := v.amiss(root, x.directory.ServiceAccount.Name); {
	case !v.domain.known:
		x.unclear("lockout", text, hint)
	case text != "":
		x.note("lockout", text, hint)
	}
}

// policies says it of a server that is no Active Directory.
func (x *examination) policies(ctx context.Context, c *conn, root rootDSE) {
	switch seen, err := x.directory.readPolicies(ctx, c, root); {
	case err != nil:
		x.fault("lockout", diagnose(c.server, searching, err))
	case seen.n == 0:
		x.unclear("lockout", seen.text(), hintNoPolicy)
	case tight(seen.strictest.threshold) != "":
		x.note("lockout", seen.text(), tight(seen.strictest.threshold))
	default:
		x.well("lockout", "%s", seen.text())
	}
}

// testLockout says in the log, after the start, how many wrong passwords accounts bear,
// and what of that cannot be seen.
func (d *Directory) testLockout(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, overall)
	defer cancel()
	var v lockoutView
	var seen policiesSeen
	var at rootDSE
	err := d.service.do(ctx, func(c *conn, root rootDSE) (err error) {
		if at = root; root.ad {
			v, err = viewLockout(ctx, c, root)
		} else {
			seen, err = d.readPolicies(ctx, c, root)
		}
		return err
	})
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		d.logger.Warn("self-test: how many wrong passwords lock an account cannot be seen", faultFields(nil, err)...)
		return
	case !at.ad:
		if seen.n > 0 {
			d.tellLockout(seen.text(), seen.strictest, seen.strictest.threshold, seen.n)
		}
		return
	case v.domain.known:
		d.tellLockout(v.text(), v.domain, v.least(), v.settings)
	}
	if text, hint := v.amiss(at, d.ServiceAccount.Name); text != "" {
		d.logger.Warn("self-test: "+strings.TrimSpace(text), zap.String("hint", hint))
	}
}

func (d *Directory) tellLockout(text string, l lockout, least, finer int) {
	fields := []zap.Field{zap.Int("threshold", l.threshold), zap.Duration("observation", l.observation), zap.Int("finer", finer)}
	if hint := tight(least); hint != "" {
		d.logger.Warn("self-test: "+text, append(fields, zap.String("hint", hint))...)
		return
	}
	d.logger.Info("self-test: "+text, fields...)
}
