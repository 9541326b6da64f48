# shellcheck shell=bash disable=SC2154 # sourced by lab, which sets the names
# One controller: how it starts, stops, hangs and answers.
#
# unshare is the parent of the controller's first process, and with it of a
# process namespace: when that first process dies, the kernel kills the rest.
# The file pid names unshare and, against reused numbers, when it started.

start_controller() {
	local n=$1
	[ -d "$dir/dc$n/private" ] || die "dc$n was never built" "lab up $dir"
	setsid unshare --mount --pid --fork --kill-child --mount-proc \
		bash "$self" _controller "$dir" "$n" </dev/null >>"$dir/dc$n/log/out.log" 2>&1 9>&- &
	echo "$! $(started $!)" >"$dir/dc$n/pid"
}

# controller is the first process of a controller's namespaces.
controller() {
	local n=$1
	share_names "$n"
	export SMB_CONF_PATH=$dir/dc$n/smb.conf
	exec samba --foreground --no-process-group -s "$SMB_CONF_PATH"
}

# share_names gives the mount namespace the lab's host names, and its own
# /run/samba: winbind's clients have that path compiled in.
share_names() {
	mount --bind "$dir/dc$1/run" /run/samba
	mount --bind "$dir/hosts" /etc/hosts
	mount --bind "$dir/resolv.conf" /etc/resolv.conf
}

# started PID prints when a living process started, in clock ticks since boot.
started() {
	local stat
	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
	read -r -a stat <<<"${stat##*) }"
	[ "${stat[0]}" = Z ] || echo "${stat[19]}" # dead, and not yet buried
}

# keeper prints the process id of controller n's unshare, if it lives.
keeper() {
	local pid start
	read -r pid start 2>/dev/null <"$dir/dc$1/pid" || return 1
	[ -n "$pid" ] && [ "$(started "$pid")" = "$start" ] && echo "$pid"
}

# first prints the process id of the controller's first process.
first() {
	local pid
	pid=$(keeper "$1") && pid=$(cat "/proc/$pid/task/$pid/children") && [ -n "$pid" ] && echo "${pid%% *}"
}

# members prints every process id of controller n.
members() {
	local pid namespace
	pid=$(first "$1") || return 0
	namespace=$(readlink "/proc/$pid/ns/pid") || return 0
	# find complains of processes that end while it looks.
	{ find /proc -mindepth 3 -maxdepth 3 -path '/proc/[0-9]*/ns/pid' -lname "${namespace/[/\\[}" 2>/dev/null || true; } |
		cut -d/ -f3
}

# signal_all sends a signal to every process of controller n, and again until
# no new process has appeared meanwhile.
signal_all() {
	local n=$1 signal=$2 before="" now
	while now=$(members "$n") && [ "$now" != "$before" ]; do
		before=$now
		# shellcheck disable=SC2086
		[ -z "$now" ] || kill -s "$signal" $now 2>/dev/null || true
	done
}

# stop_controller is a power cut. A polite end takes two seconds, and the
# databases are made to survive this one.
stop_controller() {
	local n=$1 pid i
	pid=$(keeper "$n") || return 0
	kill -s KILL "$(first "$n" || echo "$pid")" 2>/dev/null || true
	for ((i = 0; i < 100; i++)); do
		if [ -z "$(started "$pid")" ]; then
			rm -f "$dir/dc$n/pid"
			return
		fi
		sleep 0.05
	done
	die "controller $n (process $pid) does not die"
}

# beside N COMMAND... runs a command in controller N's mount namespace.
beside() {
	local n=$1 pid
	shift
	pid=$(first "$n") || die "dc$n is not running" "lab start $dir $n"
	SMB_CONF_PATH=$dir/dc$n/smb.conf nsenter --mount --target "$pid" -- "$@"
}

listens() { (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; }

answers_ldap() {
	LDAPTLS_CACERT=$dir/ca.pem LDAPTLS_REQCERT=demand timeout 10 ldapsearch -LLL -x \
		-H "ldaps://$1" -D "Administrator@$dns_domain" -w $admin_password -s base -b $base_dn dn
}

answers_smb() {
	timeout 10 smbclient -s "$dir/dc1/smb.conf" "//$1/netlogon" -U "$domain\\Administrator%$admin_password" -c exit
}

answers() {
	local port
	for port in 88 135 389 445 636 3268; do
		listens "$1" $port || {
			echo "port $port is closed"
			return 1
		}
	done
	answers_ldap "$1" && answers_smb "$1"
}

# await waits until controller n does its work: LDAPS bind, SMB log-in.
await() {
	local n=$1 log=$dir/dc$1/log/await.log end=$((SECONDS + 90)) # a busy machine takes long
	until answers "${address[n]}" >"$log" 2>&1 9>&-; do
		keeper "$n" >/dev/null || {
			tail -n 12 "$dir/dc$n/log/out.log" >&2
			die "dc$n died while starting" "see the logs in $dir/dc$n/log"
		}
		if ((SECONDS > end)); then
			tail -n 3 "$log" >&2
			die "dc$n on ${address[n]} does not answer" "see $log and $dir/dc$n/log"
		fi
		sleep 0.1
	done
}
