#!/bin/bash
# Records what winbind and a Samba domain controller say to each other over a
# Netlogon secure channel, and what winbind reads out of the answers:
#
#   winbind.sh LAB > winbind.json
#
# LAB is the directory of a lab that is up, as make lab starts one. A member
# server RECORD01 joins its domain with a password that is known, its winbindd
# logs users in, and the account is deleted again. winbindd runs in a mount and
# process namespace of its own, because its clients have /run/samba compiled in.
# Needs root, and the packages of integration/deps.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

self=$(readlink -f "${BASH_SOURCE[0]}")
member=RECORD01
password=Secr3t-RECORD01

die() {
	echo "error: $1" >&2
	echo "hint: $2" >&2
	exit 1
}

# setting NAME prints a value of the lab's.
setting() { sed -n "s/^$1=//p" "$lab/env"; }

write_files() {
	mkdir -p "$home"/{private,state,cache,lock,log,run}
	cat >"$home/smb.conf" <<-END
		[global]
		netbios name = $member
		workgroup = $(setting DOMAIN)
		realm = $(setting REALM)
		server role = member server
		security = ads
		password server = $(setting DC1_HOST)
		interfaces = lo
		disable netbios = yes
		machine password timeout = 0
		private dir = $home/private
		state directory = $home/state
		cache directory = $home/cache
		lock directory = $home/lock
		pid directory = $home/run
		winbindd socket directory = /run/samba/winbindd
		log file = $home/log/winbindd.log
		max log size = 0
		log level = 11
		idmap config * : backend = tdb
		idmap config * : range = 10000-19999
	END
}

# inside is the first process of the namespaces: when it ends, winbindd does.
inside() {
	mount --bind "$home/run" /run/samba
	mount --bind "$lab/hosts" /etc/hosts
	mount --bind "$lab/resolv.conf" /etc/resolv.conf
	net ads join -s "$SMB_CONF_PATH" -d 0 -S "$(setting DC1_HOST)" -U "$admin" machinepass=$password --no-dns-updates
	winbindd --foreground --no-process-group -s "$SMB_CONF_PATH" &
	for ((i = 0; i < 100; i++)); do
		! wbinfo --ping-dc || break
		sleep 0.1
	done
	log_ins
}

# users are right and wrong, with names that are not ASCII, with a few groups,
# with nested ones and with hundreds.
users=(alice%Secr3t-alice bob%wrong müller%Secr3t-mueller carol%Secr3t-carol many%Secr3t-many disabled%Secr3t-disabled nobody%wrong)

# log_ins has winbind ask for each twice over the secure channel: as for somebody
# who sits at the machine, with the password, and as for somebody of the network,
# with an NTLMv2 response.
log_ins() {
	local user
	for user in "${users[@]}"; do
		wbinfo -a "$(setting DOMAIN)\\$user" || true
	done
}

if [ "${1:-}" = _inside ]; then
	lab=$2 home=$3 admin=$4
	inside
	exit
fi

[ "$(id -u)" = 0 ] || die "recording needs root" "it mounts, and listens to the loopback interface"
lab=${1:-}
[ -e "$lab/env" ] || die "no lab in '$lab'" "make lab starts one and says where"
home=$(mktemp -d)
export KRB5_CONFIG=$lab/krb5.conf SMB_CONF_PATH=$home/smb.conf
admin="Administrator%$(setting ADMIN_PASSWORD)"
write_files
/usr/bin/python3 -B "${self%.sh}.py" listen "$(setting DC1_ADDR)" "$home/streams.json" &
ear=$!
trap 'kill $ear 2>/dev/null || true; rm -rf "$home"' EXIT
until [ -e "$home/streams.json" ]; do sleep 0.1; done
unshare --mount --pid --fork --kill-child --mount-proc bash "$self" _inside "$lab" "$home" "$admin" >&2
kill -s TERM $ear
wait $ear
samba-tool computer delete $member --configfile=/dev/null -H "ldap://$(setting DC1_ADDR)" -U "$admin" >&2
/usr/bin/python3 -B "${self%.sh}.py" write "$home/streams.json" "$home/log/log.wb-$(setting DOMAIN)" $password "${users[@]}"
