#!/usr/bin/python3
"""Fill the lab's directory from accounts.json, and mend it later.

    accounts.py create DIR       fill dc1, before it starts for the first time
    accounts.py introduce DIR    make dc2, just joined, known by name
    accounts.py unlock DIR NAME  end a lockout at both controllers

All commands open the controllers' database files, so none needs a password.
"""

import json
import os
import sys
import time

import ldb
from samba import dckeytab  # noqa: F401  gives Net its export_keytab
from samba.auth import system_session
from samba.credentials import Credentials
from samba.dsdb import (
    GTYPE_DISTRIBUTION_GLOBAL_GROUP,
    GTYPE_SECURITY_DOMAIN_LOCAL_GROUP,
    GTYPE_SECURITY_GLOBAL_GROUP,
    UF_ACCOUNTDISABLE,
    UF_DONT_EXPIRE_PASSWD,
    UF_NORMAL_ACCOUNT,
    UF_WORKSTATION_TRUST_ACCOUNT,
)
from samba.net import Net
from samba.param import LoadParm
from samba.samdb import SamDB

import names

HERE = os.path.dirname(os.path.realpath(__file__))
NEVER = "-9223372036854775808"  # a duration without end
BYPASS_LAST_SET = ["local_oid:1.3.6.1.4.1.7165.4.3.20:0"]  # allows any pwdLastSet
DAY = 24 * 60 * 60 * 10000000  # in units of 100 ns
PAST = "132223104000000000"  # 2020-01-01 in units of 100 ns since 1601


def now_filetime():
    return str(int((time.time() + 11644473600) * 10000000))


def state_attributes(state):
    """The attributes that put an account into one of the refused states."""
    return {
        "expired": {"accountExpires": PAST},
        "hours": {"logonHours": b"\0" * 21},
        "workstation": {"userWorkstations": "ELSEWHERE"},
    }.get(state, {})


def group_type(group):
    if group.get("kind") == "distribution":
        return GTYPE_DISTRIBUTION_GLOBAL_GROUP
    if group.get("scope") == "domain-local":
        return GTYPE_SECURITY_DOMAIN_LOCAL_GROUP
    return GTYPE_SECURITY_GLOBAL_GROUP


class Directory:
    def __init__(self, controller):
        self.lp = LoadParm()
        self.lp.load(os.path.join(controller, "smb.conf"))
        url = os.path.join(controller, "private", "sam.ldb")
        self.db = SamDB(url=url, session_info=system_session(), lp=self.lp)
        self.base = self.db.domain_dn()

    def dn(self, parent, cn):
        """CN=cn under parent; cn may hold any character."""
        dn = ldb.Dn(self.db, parent)
        dn.add_child(ldb.Dn(self.db, "CN=x"))
        dn.set_component(0, "CN", cn.encode())
        return dn

    def under(self, ou):
        return f"OU={ou},{self.base}"

    def find(self, sam, attributes=()):
        found = self.db.search(
            self.base,
            scope=ldb.SCOPE_SUBTREE,
            expression=f"(sAMAccountName={ldb.binary_encode(sam)})",
            attrs=list(attributes) or ["objectSid"],
        )
        if len(found) != 1:
            raise LookupError(f"{len(found)} accounts are named {sam!r}")
        return found[0]

    def replace(self, dn, controls=None, **values):
        message = ldb.Message(dn)
        for name, value in values.items():
            message[name] = ldb.MessageElement(value, ldb.FLAG_MOD_REPLACE, name)
        self.db.modify(message, controls=controls or [])

    # Creation.

    def create(self, table):
        self.db.transaction_start()
        try:
            self.db.set_maxPwdAge(NEVER)
            self.db.set_minPwdAge("0")
            for ou in table["ous"]:
                self.db.add({"dn": self.under(ou), "objectClass": "organizationalUnit"})
            for user in table["users"]:
                self.add_user(user)
            self.add_groups(table["groups"], table["bulk"])
            for policy in table["password_policies"]:
                self.add_policy(policy)
            for user in table["users"]:
                self.finish_user(user)
        except BaseException:
            self.db.transaction_cancel()
            raise
        self.db.transaction_commit()

    def add_user(self, user):
        computer = user.get("computer", False)
        state = user.get("state", "")
        parent = f"CN=Computers,{self.base}" if computer else self.under(user["ou"])
        control = UF_WORKSTATION_TRUST_ACCOUNT if computer else UF_NORMAL_ACCOUNT
        if state not in ("mustchange", "pwexpired"):
            control |= UF_DONT_EXPIRE_PASSWD
        if state == "disabled":
            control |= UF_ACCOUNTDISABLE
        entry = {
            "dn": self.dn(parent, user["cn"]),
            "objectClass": "computer" if computer else "user",
            "sAMAccountName": user["sam"],
            "userAccountControl": str(control),
            "unicodePwd": f'"{user["password"]}"'.encode("utf-16-le"),
        }
        if "upn" in user:
            entry["userPrincipalName"] = user["upn"]
        if "spns" in user:
            entry["servicePrincipalName"] = user["spns"]
        if "encryption_types" in user:
            entry["msDS-SupportedEncryptionTypes"] = str(user["encryption_types"])
        entry.update(user.get("attributes", {}))
        entry.update(state_attributes(state))
        self.db.add(entry)

    def add_groups(self, groups, bulk):
        for group in groups:
            self.add_group(group["sam"], group.get("cn", group["sam"]), group_type(group))
        for group in groups:
            members = [str(self.find(sam).dn) for sam in group.get("members", [])]
            if members:
                self.replace(self.find(group["sam"]).dn, member=members)
        member = str(self.find(bulk["member"]).dn)
        for n in range(1, bulk["count"] + 1):
            name = f"{bulk['prefix']}{n:03d}"
            self.add_group(name, name, GTYPE_SECURITY_GLOBAL_GROUP, member=[member])

    def add_group(self, sam, cn, kind, **more):
        entry = {
            "dn": self.dn(self.under("Groups"), cn),
            "objectClass": "group",
            "sAMAccountName": sam,
            "groupType": str(kind),
        }
        self.db.add({**entry, **more})

    def add_policy(self, policy):
        parent = f"CN=Password Settings Container,CN=System,{self.base}"
        days = policy.get("max_age_days")
        self.db.add(
            {
                "dn": self.dn(parent, policy["name"]),
                "objectClass": "msDS-PasswordSettings",
                "msDS-PasswordSettingsPrecedence": str(policy["precedence"]),
                "msDS-PasswordReversibleEncryptionEnabled": "FALSE",
                "msDS-PasswordHistoryLength": "0",
                "msDS-PasswordComplexityEnabled": "FALSE",
                "msDS-MinimumPasswordLength": "0",
                "msDS-MinimumPasswordAge": "0",
                "msDS-MaximumPasswordAge": str(-days * DAY) if days else NEVER,
                "msDS-LockoutThreshold": str(policy.get("lockout_threshold", 0)),
                "msDS-LockoutObservationWindow": NEVER,
                "msDS-LockoutDuration": NEVER,
                "msDS-PSOAppliesTo": str(self.find(policy["group"]).dn),
            }
        )

    def finish_user(self, user):
        """What can be set only once the groups and policies are there."""
        dn = self.find(user["sam"]).dn
        state = user.get("state")
        if state == "mustchange":
            self.replace(dn, pwdLastSet="0")
        if state == "pwexpired":
            self.replace(dn, controls=BYPASS_LAST_SET, pwdLastSet=PAST)
        if state == "locked":
            self.replace(dn, lockoutTime=now_filetime(), badPwdCount="3")
        if "primary_group" in user:
            sid = self.db.schema_format_value("objectSID", self.find(user["primary_group"])["objectSid"][0])
            self.replace(dn, primaryGroupID=sid.decode().rsplit("-", 1)[1])

    # Afterwards.

    def export_keytabs(self, table, into):
        credentials = Credentials()
        credentials.guess(self.lp)
        net = Net(credentials, self.lp)
        for user in table["users"]:
            if "keytab" not in user:
                continue
            keytab = os.path.join(into, user["keytab"])
            for principal in [user["sam"]] + user["spns"]:
                net.export_keytab(keytab=keytab, principal=principal)

    def unlock(self, sam):
        self.replace(self.find(sam).dn, lockoutTime="0", badPwdCount="0")


class Lab:
    def __init__(self, folder):
        self.folder = folder
        with open(os.path.join(folder, "env"), encoding="utf-8") as file:
            env = dict(line.rstrip("\n").split("=", 1) for line in file)
        self.controllers = {
            n: {"host": env[f"DC{n}_HOST"], "address": env[f"DC{n}_ADDR"]} for n in (1, 2)
        }

    def directory(self, n):
        return Directory(os.path.join(self.folder, f"dc{n}"))

    def create(self):
        with open(os.path.join(HERE, "accounts.json"), encoding="utf-8") as file:
            table = json.load(file)
        directory = self.directory(1)
        directory.create(table)
        directory.export_keytabs(table, self.folder)
        names.publish_twin(directory.db, self.controllers[1], self.controllers[2])
        self.name_services([directory], 1, directory.db.get_ntds_GUID())

    def introduce(self):
        both = [self.directory(1), self.directory(2)]
        guid = both[1].db.get_ntds_GUID()
        two = self.controllers[2]
        names.publish_address(both[0].db, two["host"], two["address"])
        names.publish_replica(both[0].db, guid, two["host"])
        self.name_services(both, 2, guid)

    def name_services(self, directories, n, guid):
        wanted = names.service_names(self.controllers[n]["host"], guid)
        for directory in directories:
            names.add_service_names(directory.db, directory.find(f"DC{n}$").dn, wanted)

    def unlock(self, sam):
        for n in self.controllers:
            self.directory(n).unlock(sam)


def main(command, folder, *rest):
    lab = Lab(folder)
    if command == "create":
        lab.create()
    elif command == "introduce":
        lab.introduce()
    elif command == "unlock":
        lab.unlock(*rest)
    else:
        raise SystemExit(f"accounts.py: unknown command {command!r}")


if __name__ == "__main__":
    main(*sys.argv[1:])
