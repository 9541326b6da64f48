"""What a directory answers to names that another library has escaped.

Reads JSON from standard input: uri, ca, who and password to bind with; add, a
list of [dn parts, attributes] as texts; and names. Writes for each name the
DNs that the filter finds, the DN of the entry that the template names, and
that of the entry at the name itself taken for a DN; nothing where there is none.
"""

import json
import sys

import ldap
import ldap.dn
import ldap.filter

ask = json.load(sys.stdin)
ldap.set_option(ldap.OPT_X_TLS_CACERTFILE, ask["ca"])
ldap.set_option(ldap.OPT_REFERRALS, 0)


def bound(who, password):
    connection = ldap.initialize(ask["uri"])
    connection.simple_bind_s(who, password)
    return connection


if ask.get("add"):
    admin = bound(ask["admin"], ask["admin_password"])
    for name in ask["add"]:
        dn = "uid=%s,%s" % (ldap.dn.escape_dn_chars(name), ask["people"])
        entry = {"objectClass": ["inetOrgPerson"], "uid": [name], "cn": [name], "sn": [name], "userPassword": [ask["secret"]]}
        try:
            admin.add_s(dn, [(key, [value.encode() for value in values]) for key, values in entry.items()])
        except ldap.ALREADY_EXISTS:
            pass  # another spelling of one that is there

server = bound(ask["who"], ask["password"])


def at(dn):
    try:
        found = server.search_s(dn, ldap.SCOPE_BASE, "(objectClass=*)", ["1.1"])
    except (ldap.NO_SUCH_OBJECT, ldap.INVALID_DN_SYNTAX, ldap.UNWILLING_TO_PERFORM, ldap.NAMING_VIOLATION):
        return ""
    return found[0][0] if found and found[0][0] else ""


answers = []
for name in ask["names"]:
    text = "(%s=%s)" % (ask["attribute"], ldap.filter.escape_filter_chars(name))
    found = [dn for dn, _ in server.search_s(ask["people"], ldap.SCOPE_SUBTREE, text, ["1.1"]) if dn]
    answers.append({"found": found, "named": at("uid=%s,%s" % (ldap.dn.escape_dn_chars(name), ask["people"])), "at": at(name)})
json.dump(answers, sys.stdout)
