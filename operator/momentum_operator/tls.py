"""The operator's end of TLS to the nodes."""

import os
import ssl
import tempfile
from pathlib import Path


def client_context(certificate: bytes, key: bytes, authority: bytes) -> ssl.SSLContext:
    """TLS 1.3, trusting one cluster's authority. Names are not checked: certificates carry role and cluster instead."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.load_verify_locations(cadata=authority.decode())
    # The module reads a certificate from files only; the folder is ours alone and gone at once.
    with tempfile.TemporaryDirectory(prefix="momentum-operator-") as folder:
        chain = Path(folder) / "chain.pem"
        chain.touch(mode=0o600)
        chain.write_bytes(certificate + key)
        context.load_cert_chain(os.fspath(chain))
    return context
