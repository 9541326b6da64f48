package loginpage

import (
	"strconv"
	"strings"
)

// maxRanges is how many languages of a header are looked at: nobody speaks more.
const maxRanges = 32

// PickLanguage is the language of a page, by the Accept-Language headers of its reader
// (RFC 9110 12.5.4): the one of ours that is wanted most, English where none is.
func PickLanguage(headers []string) string {
	best, weight := "en", 0.0
	left := maxRanges
	for _, header := range headers {
		for item := range strings.SplitSeq(header, ",") {
			if left--; left < 0 {
				return best
			}
			tag, q := parseRange(item)
			primary, _, _ := strings.Cut(tag, "-")
			if _, known := texts[primary]; known && q > weight {
				best, weight = primary, q
			}
		}
	}
	return best
}

// parseRange reads a language range with its weight, RFC 9110 12.4.2.
func parseRange(item string) (tag string, weight float64) {
	tag, parameters, weighted := strings.Cut(item, ";")
	weight = 1
	if weighted {
		name, value, _ := strings.Cut(strings.TrimSpace(parameters), "=")
		q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if !strings.EqualFold(strings.TrimSpace(name), "q") || err != nil || !(q >= 0 && q <= 1) {
			return "", 0
		}
		weight = q
	}
	return strings.ToLower(strings.TrimSpace(tag)), weight
}
