package demodir

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// selectFrom gives what a client asked for of an entry, RFC 4511 4.5.1.8.
func (c *conn) selectFrom(e *entry, req *searchRequest) []attribute {
	attrs := c.visible(e.attrs)
	if req.scope == scopeBase && !c.cfg.NoTokenGroups && asks(req.attrs, "tokenGroups") && e.sid != c.tree.domainSID {
		token := attribute{name: "tokenGroups", values: e.tokenGroups(), constructed: true}
		attrs = append(slices.Clone(attrs), token)
	}
	return c.pick(attrs, req)
}

// visible leaves out what the client may not read, [MS-ADTS] 3.1.1.4.4. Filters see it:
// what stands here is no secret.
func (c *conn) visible(attrs []attribute) []attribute {
	if len(c.cfg.Readers) == 0 {
		return attrs
	}
	return slices.DeleteFunc(slices.Clone(attrs), func(a attribute) bool {
		readers, some := c.cfg.Readers[a.name]
		return some && (c.who == nil || !slices.Contains(readers, c.who.Name))
	})
}

func asks(attrs []string, name string) bool {
	return slices.ContainsFunc(attrs, func(a string) bool { return strings.EqualFold(a, name) })
}

// pick selects by the list of a request: names, with a range perhaps, "*" or
// nothing for everything that is not constructed, "1.1" for nothing.
func (c *conn) pick(attrs []attribute, req *searchRequest) []attribute {
	everything := len(req.attrs) == 0 || slices.Contains(req.attrs, "*")
	var picked []attribute
	for _, a := range attrs {
		wanted, named := wanting(req.attrs, a.name)
		if len(a.values) == 0 || !named && (!everything || a.constructed) {
			continue
		}
		picked = append(picked, c.ranged(a, wanted)...)
	}
	if req.typesOnly {
		for i := range picked {
			picked[i].values = nil
		}
	}
	return picked
}

// wanting finds an attribute in a request's list and gives its options.
func wanting(list []string, name string) (options string, named bool) {
	for _, item := range list {
		asked, options, _ := strings.Cut(item, ";")
		if strings.EqualFold(asked, name) {
			return options, true
		}
	}
	return "", false
}

// ranged cuts an attribute with more values than are shown at once,
// [MS-ADTS] 3.1.1.3.1.3.3: the plain name stays without values, and the values
// come under member;range=0-1499, or member;range=1500-* where they end.
func (c *conn) ranged(a attribute, options string) []attribute {
	first, last, asked := parseRange(options)
	if !asked && len(a.values) <= c.cfg.RangePage {
		return []attribute{a}
	}
	if first >= len(a.values) {
		return nil
	}
	end := min(first+c.cfg.RangePage, len(a.values))
	if last >= 0 {
		end = min(end, last+1)
	}
	upper := "*"
	if end < len(a.values) {
		upper = strconv.Itoa(end - 1)
	}
	part := attribute{name: fmt.Sprintf("%s;range=%d-%s", a.name, first, upper), values: a.values[first:end]}
	if asked {
		return []attribute{part}
	}
	return []attribute{{name: a.name}, part}
}

// parseRange reads "range=0-1499" and "range=1500-*"; last is -1 for the
// latter. What it cannot read is no range.
func parseRange(options string) (first, last int, ok bool) {
	kind, text, _ := strings.Cut(options, "=")
	low, high, _ := strings.Cut(text, "-")
	first, err := strconv.Atoi(low)
	if !strings.EqualFold(kind, "range") || err != nil || first < 0 {
		return 0, -1, false
	}
	if high == "*" {
		return first, -1, true
	}
	if last, err = strconv.Atoi(high); err != nil || last < first {
		return 0, -1, false
	}
	return first, last, true
}
