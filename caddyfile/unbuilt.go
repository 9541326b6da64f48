package caddyfile

// unbuilt are the words of a block, or of a line that takes words, whose
// capability is planned and not built yet: unknown like any other, but whoever
// writes one is told that it is no mistake of his. Who builds one strikes it
// out here.
func unbuilt(in string) []string {
	if in == "windows_auth" {
		return []string{
			"throttle", "totp",
		}
	}
	return nil
}
