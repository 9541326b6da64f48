# shellcheck shell=bash disable=SC2154 # sourced by lab, which sets the names
# Debian's packages.

packages=(samba samba-ad-provision samba-dsdb-modules samba-vfs-modules winbind
	python3-samba ldb-tools ldap-utils krb5-user openssl smbclient iproute2 attr acl)

# missing_packages PACKAGE... names those of the lab, and of these, that are not there.
missing_packages() {
	local package
	for package in "${packages[@]}" "$@"; do
		[ "$(dpkg-query -Wf '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
	done
}

# install_packages PACKAGE... gets what is missing of the lab's packages and of
# these, and starts no service of theirs.
install_packages() {
	command -v apt-get >/dev/null || die "no apt-get here" "the lab is made for Debian 12; install there or in a container"
	local missing policy=/usr/sbin/policy-rc.d
	mapfile -t missing < <(missing_packages "$@")
	[ ${#missing[@]} -gt 0 ] || return 0
	say "installing ${missing[*]}"
	if [ ! -e $policy ]; then # no service may start by itself
		printf '#!/bin/sh\nexit 101\n' >$policy
		chmod 755 $policy
		trap 'rm -f /usr/sbin/policy-rc.d' EXIT
	fi
	local log
	log=$(mktemp)
	apt_get "${missing[@]}" >"$log" 2>&1 || {
		apt-get update >>"$log" 2>&1 && apt_get "${missing[@]}" >>"$log" 2>&1
	} || {
		tail -n 12 "$log" >&2
		die "apt-get install failed" "the whole log is $log"
	}
	rm -f "$log"
}

apt_get() {
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}
