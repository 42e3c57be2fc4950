"""Mail leaves signed, and its next hop can check it with the public key alone."""

import base64
import hashlib
import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from momentum_node.smtp import dkim
from tests.support.mailnode import MailNode, mail_node
from tests.support.nexthop import next_hop

pytestmark = pytest.mark.timeout(60)


async def test_mail_of_a_domain_with_a_key_is_signed_and_other_mail_is_not(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    (tmp_path / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    async with next_hop() as (hop, gateway):
        node = MailNode(tmp_path, gateway, more=f'DKIM_Keys = [ "x.test" = "s1:{tmp_path}/key.pem" ]')
        await node.start()
        try:
            await node.submit("signed", sender="a@x.test", body="one  two \r\n\r\n")
            await node.submit("plain", sender="a@other.test")
            await node.until(lambda: len(hop.content) == 2)
        finally:
            await node.stop()
    signed = next(one for one in hop.content if b"Subject: signed" in one)
    plain = next(one for one in hop.content if b"Subject: plain" in one)
    assert b"DKIM-Signature" not in plain
    head, _, body = signed.partition(b"\r\n\r\n")
    fields = dkim.fields_of(head + b"\r\n")
    (name, value) = fields[0]
    assert name == b"dkim-signature"
    tags = dict(part.split("=", 1) for part in re.sub(rb"\s", b"", value).decode().split(";"))
    assert tags["bh"] == base64.b64encode(hashlib.sha256(dkim.canonical_body(body)).digest()).decode()
    unsigned = re.sub(rb"(\sb=).*", rb"\1", value, flags=re.DOTALL)
    data = dkim.hashed_headers(fields[1:], tags["h"].split(":"))
    data += dkim.canonical_field(name, unsigned).removesuffix(b"\r\n")
    key.public_key().verify(base64.b64decode(tags["b"]), hashlib.sha256(data).digest())


async def test_a_binding_may_leave_mail_unsigned(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    (tmp_path / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    bare = 'Binding bare { Bind_Address = "127.0.0.1" Match_Domain = ( "bare.x.test" ) DKIM_Sign = false }'
    more = f'DKIM_Keys = [ "x.test" = "s1:{tmp_path}/key.pem" ] {bare}'
    async with next_hop() as (hop, gateway), mail_node(tmp_path, gateway, more) as node:
        await node.submit("signed", sender="a@x.test")
        await node.submit("bare", sender="a@bare.x.test")
        await node.until(lambda: len(hop.content) == 2)
    signed = {b"Subject: bare" in one: b"DKIM-Signature" in one for one in hop.content}
    assert signed == {False: True, True: False}
