package caddyntlm

import (
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-ntlm/caddy-ntlm/caddyldap"
	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// want has the directories find out what a rule or a forwarded header asks about.
func want(ctx caddy.Context, w caddyldap.Wants) error {
	if len(w.Attributes) == 0 && len(w.Forwarded) == 0 && len(w.Filters) == 0 && len(w.Groups) == 0 && len(w.Roles) == 0 {
		return nil
	}
	loaded, err := ctx.App("ldap")
	if err != nil {
		return fmt.Errorf("loading the directories: %w", err)
	}
	return loaded.(*caddyldap.App).Want(w)
}

// attributePrefix is the beginning of the placeholder of an attribute.
const attributePrefix = "attr."

// attributeOf is the LDAP attribute that a placeholder asks about, and false
// where it asks about something else. No attribute has an underscore in its
// name, so one stands for a dash.
func attributeOf(key string) (string, bool) {
	name, ok := strings.CutPrefix(key, placeholderPrefix+attributePrefix)
	name = strings.ReplaceAll(name, "_", "-")
	return name, ok && identity.CheckAttribute(name)
}

// AttributesOf lists those that forwarded headers ask about.
func AttributesOf(lines []Forward) []string {
	var names []string
	for _, line := range lines {
		_, _ = caddy.NewEmptyReplacer().ReplaceFunc(line.Value, func(key string, _ any) (any, error) {
			if name, ok := attributeOf(key); ok {
				names = append(names, name)
			}
			return nil, nil
		})
	}
	return names
}
