"""Makes the token that a browser would send to HTTP@HOST, and sends it nowhere.

ticket.py HOST
"""
import base64
import sys

import gssapi

name = gssapi.Name("HTTP@" + sys.argv[1], gssapi.NameType.hostbased_service)
flags = gssapi.RequirementFlag.mutual_authentication
spnego = gssapi.OID.from_int_seq("1.3.6.1.5.5.2")
print(base64.b64encode(gssapi.SecurityContext(name=name, mech=spnego, flags=flags, usage="initiate").step()).decode())
