"""Names of the controllers in DNS and Kerberos.

A running Samba writes these with its dnsupdate service, slowly and with
helpers of its own; the lab writes them straight into the database.
"""

import ldb
from samba.dcerpc import dnsp
from samba.ndr import ndr_pack, ndr_unpack
from samba.provision.sambadns import ARecord, CNAMERecord, SRVRecord

DRS_SERVICE = "E3514235-4B06-11D1-AB04-00C04FC2DCD2"  # [MS-DRSR] 2.2.3.2


def records(node):
    return [ndr_unpack(dnsp.DnssrvRpcRecord, bytes(value)) for value in node["dnsRecord"]]


def twin(record, old, new):
    """The record that says of the controller new what record says of old."""
    if record.wType == dnsp.DNS_TYPE_A and record.data == old["address"]:
        return ARecord(new["address"])
    if record.wType == dnsp.DNS_TYPE_SRV and record.data.nameTarget == old["host"]:
        return SRVRecord(new["host"], record.data.wPort)
    return None


def publish_twin(db, old, new):
    """Put new beside old under every DNS name that several controllers share."""
    for partition in ("DomainDnsZones", "ForestDnsZones"):
        nodes = db.search(
            f"DC={partition},{db.domain_dn()}",
            expression="(&(objectClass=dnsNode)(!(dnsTombstoned=TRUE)))",
            attrs=["dnsRecord", "dc"],
        )
        for node in nodes:
            name = str(node["dc"][0])
            if name == old["host"].split(".")[0] or name.startswith("_ldap._tcp.pdc"):
                continue
            present = records(node)
            added = [twin(record, old, new) for record in present]
            if any(added):
                db.dns_replace_by_dn(node.dn, present + [record for record in added if record])


def publish(db, partition, zone, name, record):
    parent = f"DC={zone},CN=MicrosoftDNS,DC={partition},{db.domain_dn()}"
    db.add({"dn": f"DC={name},{parent}", "objectClass": "dnsNode", "dnsRecord": ndr_pack(record)})


def publish_address(db, host, address):
    name, zone = host.split(".", 1)
    publish(db, "DomainDnsZones", zone, name, ARecord(address))


def publish_replica(db, guid, host):
    """The alias by which replication partners find a controller."""
    zone = "_msdcs." + host.split(".", 1)[1]
    publish(db, "ForestDnsZones", zone, guid, CNAMERecord(host))


def service_names(host, guid):
    short, domain = host.split(".", 1)
    return [
        f"ldap/{host}",
        f"ldap/{host}/{domain}",
        f"ldap/{short.upper()}",
        f"ldap/{guid}._msdcs.{domain}",
        f"GC/{host}/{domain}",
        f"{DRS_SERVICE}/{guid}/{domain}",
    ]


def add_service_names(db, dn, names):
    entry = db.search(dn, scope=ldb.SCOPE_BASE, attrs=["servicePrincipalName"])[0]
    present = {str(name).lower() for name in entry.get("servicePrincipalName", [])}
    missing = [name for name in names if name.lower() not in present]
    if missing:
        message = ldb.Message(dn)
        message["names"] = ldb.MessageElement(missing, ldb.FLAG_MOD_ADD, "servicePrincipalName")
        db.modify(message)
