"""Adds heavy, who is in 2,000 groups, in a ring of two and at the foot of a
chain of 60. Run beside a controller, with its directory as the argument."""

import sys

import ldb
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

lp = LoadParm()
lp.load(sys.argv[1] + "/smb.conf")
db = SamDB(url=sys.argv[1] + "/private/sam.ldb", session_info=system_session(), lp=lp)
base = str(db.domain_dn())
if len(db.search(base, expression="(sAMAccountName=heavy)", attrs=["cn"])) > 0:
    sys.exit(0)


def group(name, member):
    dn = "CN=%s,OU=Heap,%s" % (name, base)
    db.add({"dn": dn, "objectClass": "group", "sAMAccountName": name, "member": [member]})
    return dn


db.newuser("heavy", "Secr3t-heavy")
user = str(db.search(base, expression="(sAMAccountName=heavy)", attrs=["cn"])[0].dn)
db.transaction_start()
db.add({"dn": "OU=Heap," + base, "objectClass": "organizationalUnit"})
for i in range(1, 2001):
    group("heap-%04d" % i, user)
link = user
for i in range(1, 61):
    link = group("chain-%02d" % i, link)
ring = group("ring-a", user)
message = ldb.Message(ldb.Dn(db, ring))
message["member"] = ldb.MessageElement([group("ring-b", ring)], ldb.FLAG_MOD_ADD, "member")
db.modify(message)
db.transaction_commit()
