"""The four Secrets of a cluster: which of them must be made, and their content."""

import base64
import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from momentum_node.config.ringkeys import CURRENT, NEXT, STAGE, fingerprint
from momentum_operator import certificates, names, objects
from momentum_operator.actions import RotateKey
from momentum_operator.certificates import Pair
from momentum_operator.rotation import BusKey, Step

_WISH, _SINCE = "rotation", "since"

Secrets = Mapping[str, Mapping[str, Any]]
"""Live Secrets by name; a missing one has no entry."""


def due(cluster: str, live: Secrets, now: dt.datetime) -> tuple[str, ...]:
    """Which parts ("bus", "ca", "node", "operator") must be made now."""
    bus = content(live.get(names.bus_secret(cluster)))
    issued = {"node": names.node_secret(cluster), "operator": names.operator_secret(cluster)}
    have = {role: content(live.get(name)).get("tls.crt", b"") for role, name in issued.items()}
    return tuple(certificates.secrets_due(bus, _authority(cluster, live), have, now))


def make(who: objects.Identity, parts: Iterable[str], live: Secrets, now: dt.datetime) -> list[objects.Object]:
    """The Secrets for these parts. A new authority must come with all that it signs."""
    wanted = list(parts)
    made = []
    if "bus" in wanted:
        key = {"authkey": certificates.make_bus_key()}
        made.append(objects.secret(who, names.bus_secret(who.name), "bus", key))
    authority = _authority(who.name, live)
    if "ca" in wanted or authority is None:
        authority = certificates.make_authority(who.uid, now)
        pair = {"tls.crt": authority.certificate, "tls.key": authority.key}
        made.append(objects.secret(who, names.ca_secret(who.name), "authority", pair))
    for role, name in (("node", names.node_secret(who.name)), ("operator", names.operator_secret(who.name))):
        if role in wanted:
            made.append(objects.secret(who, name, role, _issued(authority, who, role, now)))
    return made


def bus_key(cluster: str, live: Secrets) -> BusKey | None:
    """Where the bus key's rotation stands, by fingerprints; None without a Secret."""
    held = content(live.get(names.bus_secret(cluster)))
    if not held.get(CURRENT):
        return None
    following, stage = held.get(NEXT), held.get(STAGE, b"").decode()
    return BusKey(
        current=fingerprint(held[CURRENT]),
        next=fingerprint(following) if following else None,
        stage=stage if following and stage in set(Step) - {Step.FINISH, Step.ABANDON} else "",
        wish=held.get(_WISH, b"").decode(),
        since=held.get(_SINCE, b"").decode(),
    )


def rotated(who: objects.Identity, live: Secrets, action: RotateKey, now: dt.datetime) -> objects.Object | None:
    """The bus Secret after one more step; None when there is none to rotate."""
    held = content(live.get(names.bus_secret(who.name)))
    if not held.get(CURRENT):
        return None
    kept = {CURRENT: held[CURRENT], _WISH: action.wish.encode()}
    match Step(action.step):
        case Step.FINISH:
            kept[CURRENT] = held[NEXT]
        case Step.ABANDON:
            pass
        case step:
            following = certificates.make_bus_key() if step is Step.BEGIN else held[NEXT]
            since = now.isoformat(timespec="seconds")
            kept |= {NEXT: following, STAGE: step.value.encode(), _SINCE: since.encode()}
    return objects.secret(who, names.bus_secret(who.name), "bus", kept)


def content(secret: Mapping[str, Any] | None) -> dict[str, bytes]:
    """The decoded content of a Secret; empty when there is none."""
    return {key: base64.b64decode(value) for key, value in ((secret or {}).get("data") or {}).items()}


def _authority(cluster: str, live: Secrets) -> Pair | None:
    held = content(live.get(names.ca_secret(cluster)))
    return Pair(held["tls.crt"], held["tls.key"]) if {"tls.crt", "tls.key"} <= held.keys() else None


def _issued(authority: Pair, who: objects.Identity, role: str, now: dt.datetime) -> dict[str, bytes]:
    pair = certificates.make_certificate(authority, who.uid, role, now)
    return {"tls.crt": pair.certificate, "tls.key": pair.key, "ca.crt": authority.certificate}
