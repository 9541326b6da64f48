package diag

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
	"github.com/caddy-ntlm/caddy-ntlm/caddyntlm"
	"github.com/caddy-ntlm/caddy-ntlm/internal/policy"
)

// secretsOf are the attributes in which the sites that ask a directory keep the secrets of
// second factors.
func secretsOf(document []byte, asks func(*caddyntlm.Handler) bool) (names []string, err error) {
	err = caddyntlm.EachHandler(document, func(handler string, raw []byte) error {
		if handler != handlerDoor {
			return nil
		}
		var door caddyntlm.Handler
		if err := json.Unmarshal(raw, &door); err != nil {
			return fmt.Errorf("windows_auth: %w", err)
		}
		if door.TOTP != nil && asks(&door) && !slices.Contains(names, door.TOTP.Attribute) {
			names = append(names, door.TOTP.Attribute)
		}
		return nil
	})
	return names, err
}

// wantsOf is what rules ask about.
func wantsOf(rules []policy.Rule) (all caddyldap.Wants) {
	for _, rule := range rules {
		all.Add(caddyldap.WantsOf(rule))
	}
	return all
}
