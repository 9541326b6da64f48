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

// tight is what a threshold means of which throttle cannot keep anything for anybody, and
// the cure; empty where it can.
func (v lockoutView) tight() string {
	const cure = ": raise the account lockout threshold to 5 or more, 10 is what Microsoft proposes"
	least := v.domain.threshold
	if s := v.strictest.threshold; s > 0 && (least == 0 || s < least) {
		least = s
	}
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
		return
	}
	v, err := viewLockout(ctx, c, root)
	if err != nil {
		x.fault("lockout", diagnose(c.server, searching, err))
		return
	}
	switch {
	case !v.domain.known:
	case v.tight() != "":
		x.note("lockout", v.text(), v.tight())
	case v.domain.threshold == 0 && !v.strictest.known:
		x.note("lockout", v.text(), "nobody who guesses is stopped: set an account lockout threshold")
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

// testLockout says in the log, after the start, how many wrong passwords accounts bear,
// and what of that cannot be seen.
func (d *Directory) testLockout(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, overall)
	defer cancel()
	var v lockoutView
	var at rootDSE
	err := d.service.do(ctx, func(c *conn, root rootDSE) (err error) {
		if at = root; root.ad {
			v, err = viewLockout(ctx, c, root)
		}
		return err
	})
	switch {
	case ctx.Err() != nil || err == nil && !at.ad:
		return
	case err != nil:
		d.logger.Warn("self-test: how many wrong passwords lock an account cannot be seen", faultFields(nil, err)...)
		return
	case v.domain.known:
		fields := []zap.Field{zap.Int("threshold", v.domain.threshold), zap.Duration("observation", v.domain.observation), zap.Int("finer", v.settings)}
		if hint := v.tight(); hint != "" {
			d.logger.Warn("self-test: "+v.text(), append(fields, zap.String("hint", hint))...)
		} else {
			d.logger.Info("self-test: "+v.text(), fields...)
		}
	}
	if text, hint := v.amiss(at, d.ServiceAccount.Name); text != "" {
		d.logger.Warn("self-test: "+strings.TrimSpace(text), zap.String("hint", hint))
	}
}
