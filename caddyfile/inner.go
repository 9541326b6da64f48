package caddyfile

import "slices"

// inner are the words that stand only in a block within the block called in, by
// that block: whoever writes one a level too high is told where it goes. attribute
// is not among them, for it is more likely attributes.
func inner(in string) map[string]string {
	switch in {
	case "ldap", "directory":
		return map[string]string{
			"trust_pool": "tls", "server_name": "tls", "insecure_skip_verify": "tls",
			"filter": "user or group", "suffix": "user", "nested": "group",
			"dial": "timeout", "request": "timeout",
			"ttl": "cache", "stale": "cache", "size": "cache or pool", "idle": "pool",
			"fallback": "map",
			"keytab":   "service_account kerberos", "principal": "service_account kerberos",
			"ccache": "service_account kerberos", "krb5_conf": "service_account kerberos",
		}
	case "windows_auth":
		deeper := inner("directory")
		for word, block := range deeper {
			deeper[word] = block + " of the directory"
		}
		for word := range sessionWords() {
			if block, also := deeper[word]; also {
				deeper[word] = "session, or " + block
			} else {
				deeper[word] = "session"
			}
		}
		for word := range loginWords() {
			deeper[word] = "login"
		}
		return deeper
	}
	return nil
}

// belongs says of an unknown word which block it goes into, or nothing.
func belongs(text, in string) string {
	if slices.Contains(unbuilt(in), text) {
		return ""
	}
	block, ok := inner(in)[text]
	switch {
	case !ok:
		return elsewhere(text, in)
	case text == "keytab" && in != "windows_auth":
		return ": it belongs behind verify, as verify keytab <file>, or into the block " + block + ", on a line of its own"
	}
	return ": it belongs into the block " + block + ", on a line of its own"
}

// elsewhere says of a word in a directory that is a verifier, or a site's, how and
// where it is written, or nothing.
func elsewhere(text, in string) string {
	if in == "windows_auth" {
		if _, ok := verifierWords()[text]; ok {
			return ": it is a verifier, and stands in the directory, behind verify"
		}
	}
	if in != "ldap" && in != "directory" {
		return ""
	}
	if verifier, ok := verifierWords()[text]; ok {
		return ": it stands behind verify: write " + verifier.usage
	}
	if _, ok := handlerWords()[text]; ok {
		return ": it belongs into the site's block windows_auth"
	}
	return ""
}
