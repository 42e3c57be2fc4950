"""DKIM against the published example (RFC 8463 Appendix A), and the edges of canonicalisation."""

import base64
import hashlib
import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from momentum_node.errors import ConfigurationError
from momentum_node.smtp import dkim
from momentum_node.spool.signing import Signing
from tests.support.configuration import loaded

MESSAGE = (
    b"From: Joe SixPack <joe@football.example.com>\r\n"
    b"To: Suzie Q <suzie@shopping.example.net>\r\n"
    b"Subject: Is dinner ready?\r\n"
    b"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
    b"Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n"
    b"\r\n"
    b"Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"
)
PUBLISHED_TAGS = (
    b" v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n d=football.example.com; i=@football.example.com;\r\n"
    b" q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n subject : date : message-id : from : subject : date;\r\n"
    b" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b="
)
PUBLISHED_NAMES = ["from", "to", "subject", "date", "message-id", "from", "subject", "date"]
PUBLISHED_SIGNATURE = "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw=="
PUBLIC = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
SECRET = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="


def test_the_published_signature_fits_what_we_hash() -> None:
    head, _, body = MESSAGE.partition(b"\r\n\r\n")
    assert (
        base64.b64encode(hashlib.sha256(dkim.canonical_body(body)).digest())
        == b"2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="
    )
    data = dkim.hashed_headers(dkim.fields_of(head + b"\r\n"), PUBLISHED_NAMES)
    data += dkim.canonical_field(b"dkim-signature", PUBLISHED_TAGS).removesuffix(b"\r\n")
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(PUBLIC))
    public.verify(base64.b64decode(PUBLISHED_SIGNATURE), hashlib.sha256(data).digest())
    key = dkim.Key("football.example.com", "brisbane", Ed25519PrivateKey.from_private_bytes(base64.b64decode(SECRET)))
    assert base64.b64encode(key.sign(data)).decode() == PUBLISHED_SIGNATURE


def tags_of(header: bytes) -> dict[str, str]:
    value = re.sub(rb"\s", b"", header.partition(b":")[2]).decode()
    return dict(part.split("=", 1) for part in value.split(";") if part)


@pytest.fixture(scope="module")
def rsa() -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


def test_both_kinds_sign_and_what_they_sign_verifies(rsa: RSAPrivateKey) -> None:
    edwards = Ed25519PrivateKey.generate()
    keys = [dkim.Key("football.example.com", "r", rsa), dkim.Key("football.example.com", "e", edwards)]
    above = dkim.Signer({"football.example.com": keys}).sign(MESSAGE, 1700000000)
    first, second = (b"DKIM-Signature:" + part for part in above.split(b"DKIM-Signature:")[1:])
    for header, key in ((first, keys[0]), (second, keys[1])):
        tags = tags_of(header)
        assert (tags["d"], tags["s"], tags["t"], tags["a"]) == (
            "football.example.com",
            key.selector,
            "1700000000",
            key.algorithm,
        )
        names = tags["h"].split(":")
        assert names.count("from") == 2
        unsigned = re.sub(rb"(\tb=).*", rb"\1", header.partition(b":")[2], flags=re.DOTALL)
        data = dkim.hashed_headers(dkim.fields_of(MESSAGE), names)
        data += dkim.canonical_field(b"dkim-signature", unsigned).removesuffix(b"\r\n")
        raw = base64.b64decode(tags["b"])
        if key is keys[0]:
            rsa.public_key().verify(raw, data, PKCS1v15(), SHA256())
        else:
            edwards.public_key().verify(raw, hashlib.sha256(data).digest())
        assert max(len(line) for line in header.split(b"\r\n")) <= 78


@pytest.mark.parametrize(
    ("body", "canonical"),
    [
        (b"", b""),
        (b"\r\n\r\n", b""),
        (b" \r\n", b""),
        (b" C \r\nD \t E\r\n\r\n\r\n", b" C\r\nD E\r\n"),  # RFC 6376 §3.4.6
        (b"no end", b"no end\r\n"),
        (b"no end \t", b"no end\r\n"),
    ],
)
def test_relaxed_bodies(body: bytes, canonical: bytes) -> None:
    assert dkim.canonical_body(body) == canonical


@pytest.mark.parametrize(
    ("value", "domain"),
    [
        (b" a@X.test", "x.test"),
        (b' "a, b" <a@x.test>', "x.test"),
        (b" a@x.test (at home)", "x.test"),
        (b" nobody", None),
        (b" A\r\n <a@x.test>", "x.test"),
    ],
)
def test_the_authors_domain(value: bytes, domain: str | None) -> None:
    assert dkim.from_domain([(b"from", value)]) == domain
    assert dkim.from_domain([(b"from", value), (b"from", value)]) is None


def test_a_domain_without_key_uses_the_one_above_it_and_strangers_none() -> None:
    signer = dkim.Signer({"x.test": [dkim.Key("x.test", "s", Ed25519PrivateKey.generate())]})
    assert b"d=x.test;" in signer.sign(b"From: a@news.x.test\r\n\r\n", 0)
    assert signer.sign(b"From: a@y.test\r\n\r\n", 0) == b""


def test_a_key_that_is_none_is_refused_without_showing_it(rsa: RSAPrivateKey) -> None:
    with pytest.raises(ConfigurationError) as refused:
        dkim.load_key("x.test", "s", b"-----BEGIN PRIVATE KEY-----\nSECRETSECRET\n-----END PRIVATE KEY-----\n")
    assert "SECRET" not in str(refused.value)
    pem = rsa.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert repr(dkim.load_key("x.test", "s", pem)) == "Key(domain='x.test', selector='s')"


async def test_the_headers_that_are_signed_are_those_of_the_configuration(rsa: RSAPrivateKey, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(rsa.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    signing, keys = Signing(), f'DKIM_Keys = [ "example.com" = "s:{tmp_path}/key.pem" ]'
    for option, names in (("", "from:to:subject:date:message-id"), ("DKIM_Headers = ( From Subject )", "from:subject")):
        signing.configure(loaded(f"{keys} {option}"))
        signed = await signing.signed_content(MESSAGE)
        assert sorted(tags_of(signed.removesuffix(MESSAGE))["h"].split(":")) == sorted(f"{names}:from".split(":"))
