"""Which value counts (configuration §9, §10): what look-ups for mail that leaves and for sessions have in common.
Asked before, an answer costs one dictionary access; the caches are bounded and belong to one generation."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias, TypeVar

from momentum_node.config.model import AuthParameters, Rate, TlsOptions
from momentum_node.config.tree import Setting

MOST_CACHED = 65536  # answers kept per kind; when it is full the cache starts again
Settings: TypeAlias = Mapping[str, Setting]
Answer = TypeVar("Answer")
Key = TypeVar("Key")


def first_set(levels: Iterable[Settings], name: str) -> Setting | None:
    """The setting of the first level that sets the option (lower-cased name)."""
    return next((level[name] for level in levels if name in level), None)


def _same(value: Any) -> Any:
    return value


def _path(value: Any) -> str | None:
    return None if not value or str(value).lower() == "none" else str(value)


def _globs(value: Any) -> tuple[str, ...]:
    return tuple(str(item).lower() for item in value)


def _extensions(value: Any) -> frozenset[str]:
    return frozenset(" ".join(str(item).upper().split()) for item in value)


def _authentication(value: Any) -> AuthParameters | None:
    given = {str(name).lower(): text for name, text in value.items() if isinstance(text, str)}
    is_logged = given.get("log_authentication", "false").lower() in {"true", "yes", "on", "1"}
    return AuthParameters(given["uri"], given.get("realm"), is_logged) if "uri" in given else None


def _pairs(value: Any) -> tuple[tuple[str, str], ...]:
    return tuple((str(name), " ".join(text) if isinstance(text, tuple) else str(text)) for name, text in value.items())


def _rate(value: Any) -> Rate | None:
    return Rate(value.number, value.seconds) if value.number else None


# option (lower case) → field of the model (`tls.x`: field x of its TlsOptions), and how the decoded value becomes it
INBOUND: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "idle_time": ("idle_time_s", float),
    "banner_hostname": ("banner_hostname", _same),
    "received_hostname": ("received_hostname", _same),
    "max_message_size": ("max_message_size", _same),
    "max_recipients_per_message": ("max_recipients_per_message", _same),
    "require_ehlo": ("require_ehlo", _same),
    "allow_null_envelope_sender": ("allow_null_envelope_sender", _same),
    "allow_ip_literal": ("allow_ip_literal", _same),
    "allow_trailing_whitespace_in_commands": ("allow_trailing_whitespace", _same),
    "domain_for_unqualified_sender_address": ("unqualified_sender_domain", lambda value: value or None),
    "domain_for_unqualified_recipient_addresses": ("unqualified_recipient_domain", lambda value: value or None),
    "relay_hosts": ("relay_hosts", _same),
    "relay_domains": ("relay_domains", _globs),
    "bounce_domains": ("bounce_domains", _globs),
    "relay_for_sending_domains": ("relay_for_sending_domains", _globs),
    "open_relay": ("open_relay", _same),
    "listener_sessions": ("listener_sessions", _same),
    "service_sessions": ("service_sessions", _same),
    "max_inbound_connections": ("max_inbound_connections", _same),
    "cluster_max_inbound_connections": ("cluster_max_inbound_connections", _same),
    "inbound_connections_mask": ("inbound_connections_mask", _same),
    "inbound_connections_mask6": ("inbound_connections_mask6", _same),
    "max_receptions_per_connection": ("max_receptions_per_connection", _same),
    "max_recipients_per_connection": ("max_recipients_per_connection", _same),
    "static_banner": ("static_banner", _same),
    "smtp_extensions": ("smtp_extensions", _extensions),
    "enable_authentication": ("enable_authentication", _same),
    "authplainparameters": ("auth_plain", _authentication),
    "authloginparameters": ("auth_login", _authentication),
    "auth_requires_tls": ("auth_requires_tls", _same),
    "always_allow": ("always_allow", _same),
    "always_deny": ("always_deny", _same),
    "tls_certificate": ("tls.certificate", _same),
    "tls_key": ("tls.key", _same),
    "tls_client_ca": ("tls.client_ca", _same),
    "tls_ciphers": ("tls.ciphers", _same),
    "tls_protocols": ("tls.protocols", _same),
    "tls_verify_mode": ("tls.verify", _same),
    "tls_verified_peer_can_relay": ("tls_verified_peer_can_relay", _same),
    "use_ssl": ("use_ssl", _same),
    "starttls_injection_policy": ("starttls_injection_policy", _same),
    "rfc2821_pedantic_address_rules": ("pedantic_addresses", _same),
    "max_received_headers": ("max_received_headers", _same),
    "rfc2822_trace_headers": ("trace_headers", _same),
    "rfc2822_lone_lf_in_headers": ("lone_lf_in_headers", _same),
    "rfc2822_lone_lf_in_body": ("lone_lf_in_body", _same),
    "rfc2822_missing_headers": ("missing_headers", _same),
    "rfc2822_date_header": ("date_header", _same),
    "rfc2822_messageid_header": ("message_id_header", _same),
    "rfc2822_max_line_length": ("max_line_length", _same),
    "rfc2822_max_line_length_policy": ("max_line_length_policy", _same),
    "inbound_throttle_messages": ("throttle_messages", _rate),
    "context": ("context", _pairs),
    "proxy_protocol": ("proxy_protocol", _same),
    "proxy_protocol_from": ("proxy_protocol_from", _same),
    "pathway": ("pathway", _same),
}
OUTBOUND: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "ehlo_hostname": ("ehlo_hostname", _same),
    "gateway": ("gateway", lambda value: str(value).lower() or None),
    "routes": ("routes", _same),
    "delivery_method": ("delivery_method", lambda value: str(value).upper()),
    "remote_smtp_port": ("remote_smtp_port", _same),
    "lmtp_port": ("lmtp_port", _same),
    "xclient": ("xclient", _same),
    "never_attempt_expired_messages": ("never_attempt_expired", _same),
    "mx_failures_fallback_to_a": ("mx_failures_fallback_to_a", _same),
    "dns_failures_to_purge": ("dns_failures_to_purge", _same),
    "retry_interval": ("retry_interval_s", float),
    "max_retry_interval": ("max_retry_interval_s", float),
    "message_expiration": ("message_expiration_s", float),
    "never_retry": ("never_retry", _same),
    "max_outbound_connections": ("max_outbound_connections", _same),
    "max_deliveries_per_connection": ("max_deliveries_per_connection", _same),
    "max_recipients_per_connection": ("max_recipients_per_connection", _same),
    "connect_timeout": ("connect_timeout_s", float),
    "ehlo_timeout": ("ehlo_timeout_s", float),
    "mailfrom_timeout": ("mailfrom_timeout_s", float),
    "rcptto_timeout": ("rcptto_timeout_s", float),
    "body_timeout": ("body_timeout_s", float),
    "rset_timeout": ("rset_timeout_s", float),
    "idle_timeout": ("idle_timeout_s", float),
    "transform_8bitmime_content": ("transform_8bit", _same),
    "tls": ("tls_wish", _same),
    "tls_ifavailable_fallback": ("tls_ifavailable_fallback", _same),
    "tls_verify": ("tls.verify", lambda value: None if value == "no" else value),
    "tls_ca": ("tls.client_ca", _path),
    "tls_certificate": ("tls.certificate", _path),
    "tls_key": ("tls.key", _path),
    "tls_ciphers": ("tls.ciphers", _same),
    "tls_protocols": ("tls.protocols", _same),
    "suspend_delivery": ("suspend_delivery", _same),
    "blackhole": ("blackhole", _same),
    "generate_bounces": ("generate_bounces", _same),
    "bounces_inline_original": ("bounces_inline_original", _same),
    "mailerdaemon": ("mailer_daemon", lambda value: value or None),
    "dkim_sign": ("dkim_sign", _same),
    "host_failure_retry": ("host_failure_retry_s", float),
    "connect_timeout_to_delay": ("connect_timeout_to_delay_s", float),
    "mx_failures_to_delay": ("mx_failures_to_delay", _same),
    "max_recipients_per_batch": ("max_recipients_per_batch", _same),
}
MAX_RETRIES = "max_retries"


def answer(
    kind: Callable[..., Answer], fields: Mapping[str, tuple[str, Callable[[Any], Any]]], levels: tuple[Settings, ...]
) -> Answer:
    values: dict[str, Any] = {}
    tls: dict[str, Any] = {}
    for name, (field, convert) in fields.items():
        setting = first_set(levels, name)
        if setting is not None:
            (tls if field.startswith("tls.") else values)[field.removeprefix("tls.")] = convert(setting.decoded)
    if tls:
        values["tls"] = TlsOptions(**tls)
    if fields is OUTBOUND:
        values.update(_retries(first_set(levels, MAX_RETRIES)))
    return kind(**values)


def _retries(setting: Setting | None) -> dict[str, object]:
    if setting is None or setting.decoded == "auto":
        return {}
    number = setting.decoded if isinstance(setting.decoded, int) else None
    return {"max_retries": number, "retries_are_automatic": False}


def keep(answers: dict[Key, Answer], key: Key, found: Answer, most: int = MOST_CACHED) -> Answer:
    """Remember an answer, and give it back; a full cache starts again."""
    if len(answers) >= most:
        answers.clear()
    answers[key] = found
    return found
