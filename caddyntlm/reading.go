package caddyntlm

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// HasOneReading reports whether every server takes the path of a URL for the
// same one. Caddy's matchers clean a path before they compare it, and the
// application gets it as the client wrote it; between the two lie the tricks
// that make /static/..;/admin a file for one and the administration for the
// other. So a path passes here only if nothing in it can be cleaned, decoded
// again or cut off:
//
//   - no empty segment, and none that ends in a dot or a space: /./, /../ and
//     what Windows drops at the end of a name
//   - no ; which begins a parameter in Java's servers
//   - no \ and no encoded / that some decode before they split
//   - no % left after decoding, for those that decode twice
//   - UTF-8 without control characters
func HasOneReading(u *url.URL) bool {
	path := u.Path
	if !strings.HasPrefix(path, "/") || !utf8.ValidString(path) ||
		strings.ContainsAny(path, `;\%`) || strings.ContainsFunc(path, unicode.IsControl) {
		return false
	}
	if strings.Contains(u.RawPath, "%2f") || strings.Contains(u.RawPath, "%2F") {
		return false
	}
	for rest := path[1:]; ; {
		segment, after, more := strings.Cut(rest, "/")
		if segment == "" && more || strings.HasSuffix(segment, ".") || strings.HasSuffix(segment, " ") {
			return false
		}
		if !more {
			return true
		}
		rest = after
	}
}
