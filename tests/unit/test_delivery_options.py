"""Each option of delivery is the one that the code looks at, and no other: what they do is told where it is done."""

from dataclasses import fields

import pytest

from momentum_node.config.model import OutboundOptions, TlsOptions
from momentum_node.spool.line import Line
from momentum_node.spool.schedule import Key, Queue
from tests.support.configuration import loaded


def changed(text: str) -> dict[str, object]:
    """What differs from the defaults."""
    options, plain = loaded(text).outbound("b", "a.test"), OutboundOptions()
    names = [one.name for one in fields(OutboundOptions)]
    return {name: getattr(options, name) for name in names if getattr(options, name) != getattr(plain, name)}


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("Connect_Timeout = 7", "connect_timeout_s", 7.0),
        ("EHLO_Timeout = 7", "ehlo_timeout_s", 7.0),
        ("MailFrom_Timeout = 7", "mailfrom_timeout_s", 7.0),
        ("RcptTo_Timeout = 7", "rcptto_timeout_s", 7.0),
        ("Body_Timeout = 7", "body_timeout_s", 7.0),
        ("RSET_Timeout = 7", "rset_timeout_s", 7.0),
        ("Idle_Timeout = 7", "idle_timeout_s", 7.0),
        ("Retry_Interval = 7", "retry_interval_s", 7.0),
        ("Max_Retry_Interval = 7", "max_retry_interval_s", 7.0),
        ("Message_Expiration = 7", "message_expiration_s", 7.0),
        ("Never_Attempt_Expired_Messages = true", "never_attempt_expired", True),
        ("Never_Retry = true", "never_retry", True),
        ("Connect_Timeout_To_Delay = 7", "connect_timeout_to_delay_s", 7.0),
        ("MX_Failures_To_Delay = 7", "mx_failures_to_delay", 7),
        ("MX_Failures_Fallback_To_A = 7", "mx_failures_fallback_to_a", 7),
        ("DNS_Failures_To_Purge = 7", "dns_failures_to_purge", 7),
        ("Host_Failure_Retry = 7", "host_failure_retry_s", 7.0),
        ("Max_Outbound_Connections = 7", "max_outbound_connections", 7),
        ("Max_Deliveries_Per_Connection = 7", "max_deliveries_per_connection", 7),
        ("Max_Recipients_Per_Connection = 7", "max_recipients_per_connection", 7),
        ("Max_Recipients_Per_Batch = 7", "max_recipients_per_batch", 7),
        ("Suspend_Delivery = true", "suspend_delivery", True),
        ("EHLO_Hostname = me.test", "ehlo_hostname", "me.test"),
        ("Generate_Bounces = false", "generate_bounces", False),
        ("Bounces_Inline_Original = all", "bounces_inline_original", "all"),
        ('MailerDaemon = "post@x.test"', "mailer_daemon", "post@x.test"),
        ("DKIM_Sign = false", "dkim_sign", False),
        ("TLS = required", "tls_wish", "required"),
        ("TLS_Ifavailable_Fallback = false", "tls_ifavailable_fallback", False),
        ("TLS_Verify = host", "tls", TlsOptions(verify="host")),
        ('TLS_CA = "/ca.pem"', "tls", TlsOptions(client_ca="/ca.pem")),
        ('TLS_Certificate = "/own.pem"', "tls", TlsOptions(certificate="/own.pem")),
        ('TLS_Key = "/key.pem"', "tls", TlsOptions(key="/key.pem")),
        ("XCLIENT = required", "xclient", "required"),
    ],
)
def test_an_option_changes_what_it_names_and_nothing_else(text: str, field: str, value: object) -> None:
    assert changed(text) == {field: value}


@pytest.mark.parametrize(
    ("text", "retries"),
    [("Max_Retries = 7", (7, False)), ("Max_Retries = none", (None, False)), ("Max_Retries = auto", (None, True))],
)
def test_how_often_mail_is_tried_again(text: str, retries: tuple[int | None, bool]) -> None:
    options = loaded(text).outbound("b", "a.test")
    assert (options.max_retries, options.retries_are_automatic) == retries


def test_a_certificate_of_the_global_scope_can_be_done_without() -> None:
    text = 'TLS_Certificate = "/own.pem" TLS_CA = "/ca.pem" Domain a.test { TLS_Certificate = none TLS_CA = none }'
    assert changed(text) == {}


@pytest.mark.parametrize(
    ("text", "method", "port"),
    [
        ("", "ESMTP", 25),
        ("Remote_SMTP_Port = 26 LMTP_Port = 2004", "ESMTP", 26),
        ("Remote_SMTP_Port = 26 Delivery_Method = smtp", "SMTP", 26),
        ("Remote_SMTP_Port = 26 LMTP_Port = 2004 Delivery_Method = LMTP", "LMTP", 2004),
    ],
)
def test_the_port_is_that_of_what_is_spoken(text: str, method: str, port: int) -> None:
    way = Line.of(Queue(Key("default", "a.test")), loaded(text)).way
    assert (way.method, [stop.port for stop in way.stops]) == (method, [port])


def test_what_is_asked_of_a_connection() -> None:
    demands = Line.of(Queue(Key("default", "a.test")), loaded("XCLIENT = ifavailable TLS = required")).way.demands
    assert demands is not None
    assert (demands.xclient, demands.tls, demands.in_clear) == ("ifavailable", "required", True)
