package caddyldap

import (
	"context"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"
	"go.uber.org/zap"
)

// A server may answer about an attribute under another name than the one it was
// asked by: another short name of the same (RFC 4512 4.1.2), where numbers were
// asked, or the names of its subtypes (RFC 4511 4.5.1.8). What comes so is not found
// under the name in a rule, and must not count as absent there.

// overlooked are the configured attributes that an entry has and does not show under
// their names, in lower case.
func (d *Directory) overlooked(ctx context.Context, c *conn, root rootDSE, e *ldap.Entry) ([]string, error) {
	var names, doubtful []string
	if d.reading.details {
		names = d.reading.shown
	}
	names = slices.Concat(names, d.mapping.attributes())
	if len(names) > 0 && d.showsUnasked(e) {
		return lowered(names), nil
	}
	if c.server.url.isCatalog() { // which does not have every attribute that the entry has
		return lowered(slices.DeleteFunc(slices.Clone(names), func(name string) bool { return shows(e, name) })), nil
	}
	for _, name := range names {
		key := strings.ToLower(name)
		if shows(e, name) {
			d.shown.Store(key, true)
			continue
		}
		// Active Directory knows one name of each attribute, and no subtypes.
		if _, own := d.shown.Load(key); !own && (!root.ad || key[0] <= '9') && !slices.Contains(doubtful, key) {
			doubtful = append(doubtful, key)
		}
	}
	return d.present(ctx, c, e.DN, doubtful)
}

// present are those attributes of a list that an entry has. What a server does not
// want to say is taken for a yes.
func (d *Directory) present(ctx context.Context, c *conn, dn string, names []string) (found []string, err error) {
	if len(names) == 0 {
		return nil, nil
	}
	has, err := c.holds(ctx, dn, "(|("+strings.Join(names, "=*)(")+"=*))")
	if err == nil && !has {
		return nil, nil
	}
	for _, name := range names {
		if err == nil && len(names) > 1 {
			has, err = c.holds(ctx, dn, "("+name+"=*)")
		}
		if err != nil && (!isResult(err) || overloaded(err)) {
			return nil, err
		}
		if err == nil && !has {
			continue
		}
		found, err = append(found, name), nil
		if _, told := d.told.LoadOrStore(name, true); !told {
			d.logger.Warn("an attribute comes under another name than the one in the configuration: nobody fits what is asked about it, and none lets nobody pass",
				zap.String("attribute", name), zap.String("server", c.server.url.Addr()),
				zap.String("hint", "write the attribute's name as the server itself does, as ldapsearch shows it"))
		}
	}
	return found, nil
}

// showsUnasked reports whether an entry shows an attribute that nobody asked for.
func (d *Directory) showsUnasked(e *ldap.Entry) bool {
	return slices.ContainsFunc(e.Attributes, func(a *ldap.EntryAttribute) bool {
		name, _, _ := strings.Cut(a.Name, ";")
		return !slices.ContainsFunc(d.reading.account, func(asked string) bool { return strings.EqualFold(asked, name) })
	})
}

// shows reports whether an entry has an attribute by a name, with options or
// without.
func shows(e *ldap.Entry, name string) bool {
	return hasOptions(e, name) || len(e.GetEqualFoldAttributeValues(name)) > 0
}

func lowered(names []string) []string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = strings.ToLower(name)
	}
	return list
}
