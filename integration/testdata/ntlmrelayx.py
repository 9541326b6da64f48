"""Impacket's ntlmrelayx, as Debian has it, with its own arguments.

One of its attacks, shadow credentials over LDAP, wants the package dsinternals,
which Debian does not have, and all attacks are loaded at the start. That one is
not used here, so what it imports is empty.
"""

import runpy
import sys
from unittest.mock import MagicMock

EXAMPLE = "/usr/share/doc/python3-impacket/examples/ntlmrelayx.py"

for name in (
    "dsinternals.system.Guid",
    "dsinternals.system.DateTime",
    "dsinternals.common.cryptography.X509Certificate2",
    "dsinternals.common.data.hello.KeyCredential",
):
    parts = name.split(".")
    for i in range(1, len(parts) + 1):
        sys.modules.setdefault(".".join(parts[:i]), MagicMock())

runpy.run_path(EXAMPLE, run_name="__main__")
