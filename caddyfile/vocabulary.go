package caddyfile

import "slices"

// Words lists every word there is, those of a block after the block's own with
// a dot: "server", "tls.trust_pool", "require.all". The words of the block
// directory are those of ldap.
func Words() []string {
	all := append([]string{"ldap", "windows_auth"}, matcherWords().list()...)
	all = append(all, directoryWords().list()...)
	all = append(all, within("server", serverWords())...)
	all = append(all, within("service_account", accountWords())...)
	all = append(all, within("tls", tlsWords())...)
	all = append(all, within("user", userWords())...)
	all = append(all, within("group", groupWords())...)
	all = append(all, within("cache", cacheWords())...)
	all = append(all, within("pool", poolWords())...)
	all = append(all, within("timeout", timeoutWords())...)
	all = append(all, within("verify", verifierWords())...)
	all = append(all, within("verify.keytab", keytabWords())...)
	all = append(all, within("verify.kerberos_password", kerberosPasswordWords())...)
	all = append(all, handlerWords().list()...)
	all = append(all, within("session", sessionWords())...)
	all = append(all, within("login", loginWords())...)
	all = append(all, within("require", ruleWords())...)
	slices.Sort(all)
	return all
}

func within[T any](block string, table words[T]) []string {
	names := table.list()
	for i, name := range names {
		names[i] = block + "." + name
	}
	return names
}
