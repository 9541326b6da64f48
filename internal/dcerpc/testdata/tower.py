#!/usr/bin/python3
"""Write tower.json with Samba's own marshalling (python3-samba): ept_map for
Netlogon, as a question and as answers.

    /usr/bin/python3 tower.py > tower.json
"""

import json
import struct
import sys

from samba.dcerpc import epmapper, misc
from samba.ndr import ndr_pack_in, ndr_pack_out

NETLOGON = misc.GUID("12345678-1234-abcd-ef00-01234567cffb")
NDR = misc.GUID("8a885d04-1ceb-11c9-9fe8-08002b104860")


def floor(protocol, rhs, lhs=b""):
    f = epmapper.epm_floor()
    f.lhs.protocol, f.lhs.lhs_data, f.rhs = protocol, lhs, rhs
    return f


def syntax(guid, major, minor):
    rhs = epmapper.epm_rhs_uuid()
    rhs.unknown = struct.pack("<H", minor)
    from samba.ndr import ndr_pack

    return floor(epmapper.EPM_PROTOCOL_UUID, rhs, ndr_pack(guid) + struct.pack("<H", major))


def tower(port, interface=NETLOGON):
    t = epmapper.epm_twr_t()
    ncacn, tcp, ip = epmapper.epm_rhs_ncacn(), epmapper.epm_rhs_tcp(), epmapper.epm_rhs_ip()
    ncacn.minor_version, tcp.port, ip.ipaddr = 0, port, "0.0.0.0" if not port else "127.0.0.21"
    t.tower.floors = [
        syntax(interface, 1, 0),
        syntax(NDR, 2, 0),
        floor(epmapper.EPM_PROTOCOL_NCACN, ncacn),
        floor(epmapper.EPM_PROTOCOL_TCP, tcp),
        floor(epmapper.EPM_PROTOCOL_IP, ip),
    ]
    t.tower.num_floors = 5
    return t


def call(towers, status=0):
    m = epmapper.epm_Map()
    m.in_object, m.in_map_tower = None, tower(0)
    m.in_entry_handle, m.in_max_towers = misc.policy_handle(), 4
    found = []
    for t in towers:
        p = epmapper.epm_twr_p_t()
        p.twr = t
        found.append(p)
    m.out_entry_handle, m.out_num_towers, m.out_towers, m.result = misc.policy_handle(), len(found), found, status
    return m


def main():
    json.dump(
        {
            "question": ndr_pack_in(call([])).hex(),
            "one": ndr_pack_out(call([tower(49152)])).hex(),
            "two": ndr_pack_out(call([tower(49664, misc.GUID("12345778-1234-abcd-ef00-0123456789ac")), tower(49152)])).hex(),
            "none": ndr_pack_out(call([], 0x16C9A0D6)).hex(),
        },
        sys.stdout,
        indent=0,
    )
    print()


main()
