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
		return deeper
	}
	return nil
}

// belongs says of an unknown word which block it goes into, or nothing.
func belongs(text, in string) string {
	block, ok := inner(in)[text]
	if !ok || slices.Contains(unbuilt(in), text) {
		return ""
	}
	return ": it belongs into the block " + block + ", on a line of its own"
}
