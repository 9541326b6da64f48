package diag

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// say is fmt.Fprintf for a person's terminal: directories and sites choose much of
// what the commands show, and none of it may move the cursor, turn the writing round
// or begin a line of its own. Layout belongs into the format.
func say(out io.Writer, format string, args ...any) {
	args = slices.Clone(args)
	for i, arg := range args {
		switch arg := arg.(type) {
		case string:
			args[i] = plain(arg, "")
		case []string:
			args[i] = plain(fmt.Sprint(arg), "")
		case error:
			args[i] = plain(strings.ReplaceAll(arg.Error(), "\n", "; "), "") // lines of errors.Join
		case fmt.Stringer:
			args[i] = plain(arg.String(), "")
		}
	}
	fmt.Fprintf(out, format, args...)
}

// plain escapes what cannot be printed, but for the characters that may stay: \xNN
// for control characters and bytes that are no UTF-8, \uNNNN or \UNNNNNNNN for the
// rest, such as marks that turn the direction of writing.
func plain(text, stay string) string {
	var b strings.Builder
	for text != "" {
		r, size := utf8.DecodeRuneInString(text)
		switch piece := text[:size]; {
		case r == utf8.RuneError && size == 1, r < ' ' && !strings.ContainsRune(stay, r), r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case strconv.IsPrint(r), r < ' ':
			b.WriteString(piece)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		text = text[size:]
	}
	return b.String()
}
