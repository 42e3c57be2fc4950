"""AUTH PLAIN and LOGIN, and the stores they are checked against."""

import base64
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from momentum_node.config.model import AuthParameters
from momentum_node.errors import ConfigurationError
from momentum_node.smtp.credentials import StoreAddress, Users, digest, parse_uri, parse_users
from momentum_node.smtp.sasl import Credentials, Malformed, begin, encode
from momentum_node.smtp.userstores import UserStores


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_plain_in_one_line_and_in_two() -> None:
    wanted = Credentials("PLAIN", "jürgen", "s:e c")
    assert begin("PLAIN", b64("\0jürgen\0s:e c")).credentials == wanted
    exchange = begin("PLAIN", None)
    assert exchange.challenge == b""
    exchange.respond(b64("jürgen\0jürgen\0s:e c"))
    assert exchange.credentials == wanted
    assert not exchange.challenge


def test_login_asks_twice() -> None:
    exchange = begin("LOGIN", None)
    assert encode(exchange.challenge or b"") == "VXNlcm5hbWU6"
    exchange.respond(b64("user"))
    assert encode(exchange.challenge or b"") == "UGFzc3dvcmQ6"
    exchange.respond(b64("secret"))
    assert exchange.credentials == Credentials("LOGIN", "user", "secret")
    assert begin("LOGIN", b64("user")).challenge == b"Password:"


@pytest.mark.parametrize(
    "line", ["%%%", b64("no zeros"), b64("other\0user\0secret"), b64("\0\0secret"), b64("\0u\0p\0q"), "=", "\N{BULLET}"]
)
def test_malformed_lines_are_refused(line: str) -> None:
    with pytest.raises(Malformed):
        begin("PLAIN", line)


def test_the_password_is_never_shown() -> None:
    assert "secret" not in repr(Credentials("PLAIN", "user", "secret"))


def test_a_file_of_passwords() -> None:
    users = parse_users("# people\n\nuser:pass:word\nother:x\n", StoreAddress("file", "/f"))
    assert users.accept("user", "pass:word", "any realm")
    assert not users.accept("user", "pass", "")
    assert not users.accept("nobody", "x", "")
    assert not users.accept("nobody", "\0", "")


def test_a_file_of_digests_knows_realms() -> None:
    users = parse_users(f"user:mail:{digest('user', 'mail', 'secret').upper()}\n", StoreAddress("digest", "/f"))
    assert users.accept("user", "secret", "mail")
    assert not users.accept("user", "secret", "other")
    assert not users.accept("user", "wrong", "mail")


def test_the_digest_is_the_one_of_http() -> None:
    # RFC 2617 §3.5: HA1 of Mufasa
    assert digest("Mufasa", "testrealm@host.com", "Circle Of Life") == "939e7578ed9e3c518a452acee763bce9"


@pytest.mark.parametrize(
    ("text", "scheme", "says"),
    [
        ("user\n", "file", "/f:1: write user:password"),
        ("#\nuser:\n", "file", "/f:2: write user:password"),
        ("user:a\nuser:b\n", "file", "/f:2: a user that is there already"),
        ("user:realm:short\n", "digest", "/f:1: write user:realm:digest"),
    ],
)
def test_a_damaged_store_names_its_line_and_no_secret(text: str, scheme: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_users(text, StoreAddress("file" if scheme == "file" else "digest", "/f"))
    assert says in str(caught.value)


def test_uris() -> None:
    assert parse_uri("file:///etc/users") == StoreAddress("file", "/etc/users")
    assert parse_uri("digest:///etc/users").scheme == "digest"
    for wrong in ("ldap://host/x", "/etc/users", "file://relative", "file:/x"):
        with pytest.raises(ConfigurationError, match="file:///path"):
            parse_uri(wrong)


def test_an_unknown_user_is_compared_as_well() -> None:
    assert not Users("file", {}).accept("user", "", "")


@pytest.mark.parametrize("is_logged", [True, False])
async def test_an_authentication_is_logged_where_that_is_asked_for(tmp_path: Path, is_logged: bool) -> None:
    (tmp_path / "users").write_text("ann:s3cret\n")
    parameters = AuthParameters(f"file://{tmp_path}/users", log_authentication=is_logged)
    with capture_logs() as lines:
        assert await UserStores().check(parameters, Credentials("PLAIN", "ann", "s3cret"), "mx.test")
    assert any(line["event"] == "authentication" for line in lines) == is_logged
    assert "s3cret" not in str(lines)


@pytest.mark.parametrize(("realm", "is_good"), [(None, False), ("mail", True)])
async def test_the_realm_is_the_options_or_our_name(tmp_path: Path, realm: str | None, is_good: bool) -> None:
    (tmp_path / "users").write_text(f"ann:mail:{digest('ann', 'mail', 's3cret')}\n")
    parameters = AuthParameters(f"digest://{tmp_path}/users", realm)
    credentials = Credentials("PLAIN", "ann", "s3cret")
    assert await UserStores().check(parameters, credentials, "mx.test") == is_good
    assert await UserStores().check(parameters, credentials, "mail") is True
