#!/usr/bin/python3
"""Write vectors.json with Samba's own marshalling (python3-samba).

    /usr/bin/python3 vectors.py > vectors.json

A request's stub is what our writer has to give, an answer's what our reader has
to understand.
"""

import json
import sys

from samba.dcerpc import lsa, netlogon, samr, security
from samba.ndr import ndr_pack_in, ndr_pack_out

DOMAIN = security.dom_sid("S-1-5-21-1111111111-2222222222-3333333333")
FLAGS = 0x612FFFFF


def credential(raw):
    c = netlogon.netr_Credential()
    c.data = list(raw)
    return c


def authenticator(raw, seconds):
    a = netlogon.netr_Authenticator()
    a.cred, a.timestamp = credential(raw), seconds
    return a


def text(value):
    s = lsa.String()
    s.string = value
    return s


def large(value):
    s = lsa.StringLarge()
    s.string = value
    return s


def response(raw):
    c = netlogon.netr_ChallengeResponse()
    c.data, c.length, c.size = list(raw), len(raw), len(raw)
    return c


def challenge():
    r = netlogon.netr_ServerReqChallenge()
    r.in_server_name, r.in_computer_name = "\\\\DC1", "WEB01"
    r.in_credentials = credential(b"12345678")
    r.out_return_credentials, r.result = credential(b"abcdefgh"), 0
    return r


def authenticate():
    r = netlogon.netr_ServerAuthenticate3()
    r.in_server_name, r.in_account_name, r.in_computer_name = "\\\\DC1", "WEB01$", "WEB01"
    r.in_secure_channel_type = 2
    r.in_credentials, r.in_negotiate_flags = credential(b"12345678"), FLAGS
    r.out_return_credentials, r.out_negotiate_flags, r.out_rid, r.result = credential(b"abcdefgh"), FLAGS, 1105, 0
    return r


def capabilities():
    r = netlogon.netr_LogonGetCapabilities()
    r.in_server_name, r.in_computer_name = "\\\\DC1", "WEB01"
    r.in_credential, r.in_return_authenticator = authenticator(b"12345678", 0x5F000000), authenticator(bytes(8), 0)
    r.in_query_level = 1
    r.out_return_authenticator, r.out_capabilities, r.result = authenticator(b"abcdefgh", 0), FLAGS, 0
    return r


def groups(pairs):
    array = samr.RidWithAttributeArray()
    members = []
    for rid, attributes in pairs:
        m = samr.RidWithAttribute()
        m.rid, m.attributes = rid, attributes
        members.append(m)
    array.rids, array.count = members, len(members)
    return array


def fill(base, name, pairs, user_flags):
    base.logon_time, base.last_password_change = 133000000000000000, 132000000000000000
    base.logoff_time = base.kickoff_time = 0x7FFFFFFFFFFFFFFF
    base.allow_password_change, base.force_password_change = 132000864000000000, 0x7FFFFFFFFFFFFFFF
    base.account_name, base.full_name = text(name), text("Jörg Müller")
    for field in ("logon_script", "profile_path", "home_directory", "home_drive"):
        setattr(base, field, text(""))
    base.logon_count, base.bad_password_count, base.rid, base.primary_gid = 7, 1, 1106, 513
    base.groups, base.user_flags = groups(pairs), user_flags
    base.key.key = list(range(16))
    base.logon_server, base.logon_domain, base.domain_sid = large("DC1"), large("EXAMPLE"), DOMAIN
    base.LMSessKey.key = [0] * 8
    base.acct_flags = 0x210


def extra(sids):
    found = []
    for sid, attributes in sids:
        s = netlogon.netr_SidAttr()
        s.sid, s.attributes = security.dom_sid(sid), attributes
        found.append(s)
    return found


def logon(level, name="müller", pairs=((513, 7), (1120, 7)), sids=(("S-1-18-1", 7), (str(DOMAIN) + "-1130", 0x20000007)), authoritative=1):
    r = netlogon.netr_LogonSamLogonEx()
    r.in_server_name, r.in_computer_name, r.in_logon_level = "\\\\DC1", "WEB01", 2
    n = netlogon.netr_NetworkInfo()
    i = n.identity_info
    i.domain_name, i.account_name, i.workstation = text("EXAMPLE"), text("müller"), text("PC7")
    i.parameter_control, i.logon_id = 0x820, 0
    n.challenge, n.nt, n.lm = list(b"12345678"), response(b"n" * 49), response(bytes(24))
    r.in_logon, r.in_validation_level, r.in_flags = n, level, 0
    info = {2: netlogon.netr_SamInfo2, 3: netlogon.netr_SamInfo3, 6: netlogon.netr_SamInfo6}[level]()
    fill(info.base, name, pairs, 0x120 if level > 2 else 0x100)
    if level > 2:
        info.sids, info.sidcount = extra(sids), len(sids)
    if level == 6:
        info.dns_domainname, info.principal_name = text("example.test"), text("müller@example.test")
    r.out_validation, r.out_authoritative, r.out_flags, r.result = info, authoritative, 0, 0
    return r


def both(call):
    return {"request": ndr_pack_in(call).hex(), "answer": ndr_pack_out(call).hex()}


def main():
    vectors = {
        "NetrServerReqChallenge": both(challenge()),
        "NetrServerAuthenticate3": both(authenticate()),
        "NetrLogonGetCapabilities": both(capabilities()),
        "NetrLogonSamLogonEx 2": both(logon(2)),
        "NetrLogonSamLogonEx 3": both(logon(3)),
        "NetrLogonSamLogonEx 6": both(logon(6)),
        "nobody": both(logon(6, name="")),
        "no groups": both(logon(6, pairs=(), sids=())),
        "300 groups": both(logon(6, pairs=tuple((2000 + n, 7) for n in range(300)))),
    }
    json.dump(vectors, sys.stdout, indent=0)
    print()


main()
