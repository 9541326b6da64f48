"""An initiator of MIT's library: one round over HTTP, and whether it is content.

initiator.py URL spnego|krb5 [ANSWER-OF-ANOTHER] prints the status, whether the
context is complete, whether the server has proven itself, and its last token.
"""
import base64
import http.client
import sys
import urllib.parse

import gssapi

url = urllib.parse.urlparse(sys.argv[1])
mech = gssapi.OID.from_int_seq("1.3.6.1.5.5.2" if sys.argv[2] == "spnego" else "1.2.840.113554.1.2.2")
name = gssapi.Name("HTTP@" + url.hostname, gssapi.NameType.hostbased_service)
flags = gssapi.RequirementFlag.mutual_authentication | gssapi.RequirementFlag.replay_detection
context = gssapi.SecurityContext(name=name, mech=mech, flags=flags, usage="initiate")
token = context.step()
server = http.client.HTTPConnection(url.hostname, url.port, timeout=20)
server.request("GET", url.path or "/", headers={"Authorization": "Negotiate " + base64.b64encode(token).decode()})
answer = server.getresponse()
answer.read()
reply = (answer.getheader("WWW-Authenticate") or "").removeprefix("Negotiate").strip()
if len(sys.argv) > 3:
    reply = sys.argv[3]
try:
    if reply:
        context.step(base64.b64decode(reply))
    complete = context.complete  # where the library tells of what step has found
except gssapi.exceptions.GSSError:
    print(answer.status, "refused", "unproven", reply)
    sys.exit()
proven = complete and bool(context.actual_flags & gssapi.RequirementFlag.mutual_authentication)
print(answer.status, "complete" if complete else "open", "mutual" if proven else "unproven", reply)
