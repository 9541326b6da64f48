package diag

import (
	"context"
	"encoding/json"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
	"github.com/caddy-ntlm/caddy-ntlm/caddyntlm"
)

// store examines where sessions and counts are kept, where the configuration says so.
func (c *configCheck) store(outside context.Context, document []byte) error {
	var config struct {
		Apps struct {
			Shared *caddyntlm.App `json:"windows_auth"`
		} `json:"apps"`
	}
	if err := json.Unmarshal(document, &config); err != nil {
		return err
	}
	app := config.Apps.Shared
	if app == nil {
		return nil
	}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: outside}) // which has the app's metrics
	defer cancel()
	say(c.out, "windows_auth\n")
	app.Log = zap.NewNop() // what it would log is told here
	defer func() { _ = app.Cleanup() }()
	if err := app.Provision(ctx); err != nil {
		c.tell(caddyldap.Observation{Level: caddyldap.Faulty, About: "config", Text: err.Error(), Hint: "Caddy will not start with this"})
		return nil
	}
	app.Examine(ctx, c.tell)
	return nil
}
