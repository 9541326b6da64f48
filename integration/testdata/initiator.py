"""An initiator of MIT's library over HTTP, and whether it is content.

initiator.py URL spnego|krb5|bound|ntlm [ANSWER-OF-ANOTHER] prints the status, whether
the context is complete, whether the server has proven itself, and its last token.
bound is SPNEGO with the channel bindings of the server's certificate, RFC 5929 4,
whose signature is of SHA-256. ntlm is NTLM in SPNEGO, by gss-ntlmssp: it takes two
rounds, and signs.
"""
import base64
import hashlib
import http.client
import ssl
import sys
import urllib.parse

import gssapi

url = urllib.parse.urlparse(sys.argv[1])
mech = gssapi.OID.from_int_seq("1.2.840.113554.1.2.2" if sys.argv[2] == "krb5" else "1.3.6.1.5.5.2")
name = gssapi.Name("HTTP@" + url.hostname, gssapi.NameType.hostbased_service)
flags = gssapi.RequirementFlag.mutual_authentication | gssapi.RequirementFlag.replay_detection
if sys.argv[2] == "ntlm":
    flags = gssapi.RequirementFlag.integrity
server = http.client.HTTPConnection(url.hostname, url.port, timeout=20)
if url.scheme == "https":
    server = http.client.HTTPSConnection(url.hostname, url.port, timeout=20, context=ssl._create_unverified_context())
server.connect()
bindings = None
if sys.argv[2] == "bound":
    certificate = server.sock.getpeercert(binary_form=True)
    bindings = gssapi.raw.ChannelBindings(application_data=b"tls-server-end-point:" + hashlib.sha256(certificate).digest())


def ask(token):
    """One request with a token; its answer and the server's token."""
    server.request("GET", url.path or "/", headers={"Authorization": "Negotiate " + base64.b64encode(token).decode()})
    answer = server.getresponse()
    answer.read()
    lines = answer.headers.get_all("WWW-Authenticate", [])
    return answer, next((line.split()[1] for line in lines if line.startswith("Negotiate ")), "")


context = gssapi.SecurityContext(name=name, mech=mech, flags=flags, usage="initiate", channel_bindings=bindings)
answer, reply = ask(context.step())
if sys.argv[2] == "ntlm":
    answer, reply = ask(context.step(base64.b64decode(reply)))
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
