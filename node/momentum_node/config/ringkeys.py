"""The folder that the bus key comes from, and names of keys: what operator and bus container both know."""

import hashlib

CURRENT, NEXT, STAGE = "authkey", "authkey.next", "stage"
"""Its files (the operator's Secret). The last two are there while the key is being replaced."""


def fingerprint(key: bytes) -> str:
    """Names a key; nobody can learn the key from it. Empty for none."""
    return hashlib.sha256(b"momentum bus key\0" + key).hexdigest()[:16] if key else ""
