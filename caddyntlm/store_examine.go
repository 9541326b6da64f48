package caddyntlm

import (
	"context"
	"errors"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
	"github.com/caddy-ntlm/caddy-ntlm/internal/redisstore"
)

// Examine looks at the store as the self-test does, for the doctor, and tells what it
// finds. It begins nothing that goes on.
func (a *App) Examine(ctx context.Context, tell func(caddyldap.Observation)) {
	const about = "store"
	a.module.giveaways(func(hint string) {
		tell(caddyldap.Observation{Level: caddyldap.Notable, About: about, Text: a.word() + " gives protection away", Hint: hint})
	})
	if a.kept.examine == nil {
		tell(caddyldap.Observation{Level: caddyldap.Well, About: about, Text: "in memory, of this server alone"})
		return
	}
	report, err := a.kept.examine(ctx)
	if err != nil {
		fault := caddyldap.Observation{Level: caddyldap.Faulty, About: about, Text: err.Error()}
		if known, ok := errors.AsType[*redisstore.Error](err); ok {
			fault.Hint = known.Hint
		}
		tell(fault)
		return
	}
	text := "values can be kept, read and removed"
	if report.Version != "" {
		text += ", version " + report.Version
	}
	tell(caddyldap.Observation{Level: caddyldap.Well, About: about, Text: text})
	for _, f := range report.Findings {
		tell(caddyldap.Observation{Level: caddyldap.Notable, About: about, Text: f.Text, Hint: f.Hint})
	}
}
