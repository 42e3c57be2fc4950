"""The TLS files of a node, made as the operator makes them."""

import datetime as dt
from pathlib import Path

from momentum_operator import certificates


def certify(folder: Path, cluster: str, authority: certificates.Pair | None = None) -> certificates.Pair:
    """Put a node's certificate, its key and the authority's certificate there; returns the authority."""
    now = dt.datetime.now(dt.UTC)
    signer = authority or certificates.make_authority(cluster, now)
    pair = certificates.make_certificate(signer, cluster, "node", now)
    folder.mkdir(exist_ok=True)
    for name, content in (("ca.crt", signer.certificate), ("tls.crt", pair.certificate), ("tls.key", pair.key)):
        (folder / name).write_bytes(content)
    return signer
