"""The recorder of winbind.sh, which says what for.

winbind.py listen ADDRESS FILE
    Listens to the loopback interface until it is told to end, and writes into
    FILE what is said on TCP connections to ADDRESS that bind to Netlogon.
winbind.py write FILE LOG PASSWORD NAME%PASSWORD...
    Prints the recording: those connections, the passwords, and from winbindd's
    log what it read out of each answer.
"""

import json
import re
import signal
import socket
import struct
import sys

# The UUID of Netlogon, [MS-NRPC] 2.1, as it travels.
NETLOGON = bytes.fromhex("785634123412cdabef0001234567cffb")

BIND = 11


class Stream:
    """One direction of a connection: bytes in their order, cut into PDUs."""

    def __init__(self, first):
        self.next = first  # the sequence number that comes next
        self.early = {}
        self.data = b""

    def take(self, sequence, data):
        self.early[sequence] = data
        while self.next in self.early:
            data = self.early.pop(self.next)
            self.data += data
            self.next = (self.next + len(data)) & 0xFFFFFFFF

    def pdus(self):
        while len(self.data) >= 16:
            size = struct.unpack_from("<H", self.data, 8)[0]
            if self.data[0] != 5 or size < 16:  # no RPC
                self.data = b""
            if len(self.data) < size or size < 16:
                return
            yield self.data[:size]
            self.data = self.data[size:]


def listen(address, path):
    """Each packet on the loopback interface is seen once: as it arrives."""
    ear = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
    ear.bind(("lo", 0x0800))
    ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
    server = socket.inet_aton(address)
    connections = {}
    running = [True]
    signal.signal(signal.SIGTERM, lambda *_: running.clear())
    save(path, connections)
    ear.settimeout(0.2)
    while running:
        try:
            packet = ear.recv(1 << 17)
        except TimeoutError:
            continue
        hear(packet, server, connections)
    save(path, connections)


def hear(packet, server, connections):
    head = (packet[0] & 15) * 4
    if packet[9] != socket.IPPROTO_TCP or server not in (packet[12:16], packet[16:20]):
        return
    size = struct.unpack_from(">H", packet, 2)[0] or len(packet)
    source, target, sequence = struct.unpack_from(">HHI", packet, head)
    data = packet[head + (packet[head + 12] >> 4) * 4 : size]
    ours = packet[16:20] == server  # from the client
    key = (source, target) if ours else (target, source)
    if packet[head + 13] & 2:  # SYN
        if ours:
            connections[key] = {"streams": {}, "pdus": []}
        sequence += 1
        if key in connections:
            connections[key]["streams"][ours] = Stream(sequence & 0xFFFFFFFF)
        return
    if key not in connections or not data:
        return
    connection = connections[key]
    stream = connection["streams"][ours]
    stream.take(sequence, data)
    for pdu in stream.pdus():
        connection["pdus"].append(("winbind: " if ours else "samba: ") + pdu.hex())


def save(path, connections):
    found = []
    for connection in connections.values():
        pdus = connection["pdus"]
        first = bytes.fromhex(pdus[0].split()[1]) if pdus else b""
        if first[2:3] == bytes([BIND]) and NETLOGON in first:
            found.append(pdus)
    with open(path, "w", encoding="ascii") as f:
        json.dump(found, f)


ANSWER = re.compile(r"netr_LogonSamLogonEx: struct netr_LogonSamLogonEx\n +out: .*?\n +result +: NT_STATUS_\w+\n", re.DOTALL)
NUMBERS = ("rid", "primary_gid", "user_flags", "acct_flags", "logon_count", "bad_password_count")
TEXTS = ("account_name", "full_name", "logon_server", "logon_domain", "dns_domainname", "principal_name")


def read_log(path):
    """What winbindd prints of each answer to NetrLogonSamLogonEx, by the names
    of Samba's netlogon.idl; lists are of RID or SID and attributes."""
    with open(path, encoding="utf-8") as f:
        return [read_answer(block) for block in ANSWER.findall(f.read())]


def read_answer(block):
    answer = {"groups": [], "sids": []}
    within, member = None, None
    for line in block.splitlines():
        name, _, value = (part.strip() for part in line.partition(":"))
        if value.startswith("struct "):
            within = name
            member = {"struct samr_RidWithAttribute": "groups", "struct netr_SidAttr": "sids"}.get(value)
        elif name == "string" and value != "*" and within in TEXTS:
            answer[within] = value[1:-1]
        elif member and name in ("rid", "sid") and value != "*":
            answer[member].append([number(value)])
        elif member and name == "attributes":
            answer[member][-1].append(number(value))
            member = None
        elif name in NUMBERS and name not in answer:
            answer[name] = number(value)
        elif name == "domain_sid" and value != "*":
            answer[name] = value
        elif name == "result":
            answer[name] = value
    return answer


def number(text):
    found = re.match(r"(0x[0-9a-f]+) \(", text)
    return int(found[1], 16) if found else text


def write(path, log, password, *users):
    with open(path, encoding="ascii") as f:
        connections = json.load(f)
    passwords = dict(user.split("%") for user in users)
    json.dump({"password": password, "passwords": passwords, "connections": connections, "answers": read_log(log)}, sys.stdout, indent=0, ensure_ascii=False)
    print()


if __name__ == "__main__":
    {"listen": listen, "write": write}[sys.argv[1]](*sys.argv[2:])
