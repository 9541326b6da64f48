# shellcheck shell=bash disable=SC2154 # sourced by lab, which sets the names
# What a lab is made of: its files, its certificates, the domain.

write_files() {
	cat >"$dir/env" <<-END
		LAB=$dir
		DOMAIN=$domain
		REALM=$realm
		DNS_DOMAIN=$dns_domain
		BASE_DN=$base_dn
		DOMAIN_SID=$domain_sid
		ADMIN_PASSWORD=$admin_password
		DC1_ADDR=${address[1]}
		DC1_HOST=dc1.$dns_domain
		DC1_LDAPS=ldaps://dc1.$dns_domain
		DC2_ADDR=${address[2]}
		DC2_HOST=dc2.$dns_domain
		DC2_LDAPS=ldaps://dc2.$dns_domain
		CA=$dir/ca.pem
		LDAPTLS_CACERT=$dir/ca.pem
		KRB5_CONFIG=$dir/krb5.conf
		HTTP_KEYTAB=$dir/http.keytab
		RC4_KEYTAB=$dir/rc4.keytab
	END
	cat >"$dir/krb5.conf" <<-END
		[libdefaults]
		default_realm = $realm
		dns_lookup_kdc = false
		dns_lookup_realm = false
		dns_canonicalize_hostname = false
		rdns = false
		[realms]
		$realm = {
		  kdc = ${address[1]}
		  kdc = ${address[2]}
		}
		[domain_realm]
		.$dns_domain = $realm
		$dns_domain = $realm
		localhost = $realm
	END
	cat >"$dir/hosts" <<-END
		127.0.0.1 localhost
		${address[1]} dc1.$dns_domain dc1
		${address[2]} dc2.$dns_domain dc2
	END
	echo "nameserver ${address[1]}" >"$dir/resolv.conf"
}

write_controller() {
	local n=$1 home=$dir/dc$1
	mkdir -p "$home"/{private,state/sysvol/$dns_domain/scripts,cache,lock,log,run,tls}
	chmod 700 "$home/private"
	cat >"$home/smb.conf" <<-END
		[global]
		netbios name = DC$n
		workgroup = $domain
		realm = $realm
		server role = active directory domain controller
		server services = s3fs, rpc, ldap, cldap, kdc, drepl, winbindd, kcc, dns
		interfaces = ${address[n]}/8
		bind interfaces only = yes
		private dir = $home/private
		state directory = $home/state
		cache directory = $home/cache
		lock directory = $home/lock
		pid directory = $home/run
		ncalrpc dir = $home/run/ncalrpc
		log file = $home/log/samba.log
		max log size = 0
		disable spoolss = yes
		load printers = no
		ldb:nosync = true
		kccsrv:periodic_startup_interval = 1
		dreplsrv:periodic_startup_interval = 1
		dreplsrv:notify_interval = 1
		tls certfile = $home/tls/cert.pem
		tls keyfile = $home/tls/key.pem
		tls cafile = $dir/ca.pem
		include = $home/strong-auth.conf
		[sysvol]
		path = $home/state/sysvol
		read only = no
		[netlogon]
		path = $home/state/sysvol/$dns_domain/scripts
		read only = no
	END
	echo "ldap server require strong auth = allow_sasl_over_tls" >"$home/strong-auth.conf"
}

write_certificates() {
	local n
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
		-subj "/CN=Lab CA" -keyout "$dir/ca.key" -out "$dir/ca.pem" \
		-addext "basicConstraints=critical,CA:true" -addext "keyUsage=critical,keyCertSign,cRLSign"
	for n in 1 2; do
		write_certificate "$dir/dc$n/tls" "dc$n.$dns_domain" "${address[n]}"
	done
}

write_certificate() {
	local tls=$1 host=$2 ip=$3
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-subj "/CN=$host" -keyout "$tls/key.pem" -out "$tls/request.pem"
	printf '%s\n' "subjectAltName=DNS:$host,DNS:$dns_domain,IP:$ip" \
		basicConstraints=critical,CA:false keyUsage=critical,digitalSignature \
		extendedKeyUsage=serverAuth >"$tls/extensions"
	openssl x509 -req -days 3650 -in "$tls/request.pem" -extfile "$tls/extensions" \
		-CA "$dir/ca.pem" -CAkey "$dir/ca.key" -CAcreateserial -out "$tls/cert.pem"
	chmod 600 "$tls/key.pem"
}

build() {
	check_directory
	check_free 1
	check_free 2
	touch "$dir/.lab"
	chmod 755 "$dir" # for the shares
	rm -rf "$dir/dc1" "$dir/dc2" "$dir"/*.keytab "$dir/ready"
	write_files
	write_controller 1
	write_controller 2
	say "building the domain $domain in $dir"
	logged "$dir/certificates.log" "making certificates" write_certificates
	logged "$dir/provision.log" "provisioning dc1" provision
	logged "$dir/accounts.log" "creating the accounts" \
		/usr/bin/python3 -B "$here/accounts.py" create "$dir"
	start_controller 1
	await 1
	logged "$dir/join.log" "joining dc2" beside 1 "$self" _join "$dir"
	logged "$dir/accounts.log" "naming dc2" /usr/bin/python3 -B "$here/accounts.py" introduce "$dir"
	start_controller 2
	await 2
	recipe >"$dir/ready"
}

# recipe is a digest of what a lab is built from.
recipe() {
	cat "$self" "$here"/*.sh "$here"/accounts.{py,json} "$here/names.py" | sha256sum
}

check_directory() {
	[ -e "$dir/.lab" ] || [ -e "$dir/env" ] || [ -z "$(find "$dir" -mindepth 1 -maxdepth 1 ! -name script ! -name watch.log -print -quit)" ] ||
		die "$dir holds other files" "give an empty or a new directory"
}

# check_free N makes sure that controller N's address is not in use.
check_free() {
	! listens "${address[$1]}" 445 ||
		die "something already listens on ${address[$1]}:445" \
			"is another lab up? lab down it, or set LAB_DC1 and LAB_DC2 to other addresses, as 127.0.0.31 and 127.0.0.32"
}

provision() {
	export SMB_CONF_PATH=$dir/dc1/smb.conf
	samba-tool domain provision -s "$SMB_CONF_PATH" --domain=$domain --realm=$realm \
		--host-name=dc1 --host-ip="${address[1]}" --server-role=dc --dns-backend=SAMBA_INTERNAL \
		--adminpass=$admin_password --domain-sid=$domain_sid
}

# join makes dc2 a controller; it runs where dc1's name resolves.
join() {
	export SMB_CONF_PATH=$dir/dc2/smb.conf
	samba-tool domain join $dns_domain DC -s "$SMB_CONF_PATH" --server=dc1.$dns_domain \
		-U "Administrator%$admin_password" --dns-backend=SAMBA_INTERNAL
}
