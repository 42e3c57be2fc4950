"""Inputs and effects of the machine in words, for people who read a flight recording."""

from collections.abc import Iterable

from momentum_node.bus.contract import Member, ViewChanged
from momentum_node.config.model import Address
from momentum_node.duravip.catalogue import MessageError
from momentum_node.duravip.encoding import decode
from momentum_node.duravip.flight import Input
from momentum_node.duravip.machine import DuraVip
from momentum_node.duravip.messages import Envelope, Message, State
from momentum_node.duravip.vip import Announce, Contest, Effect, Isolate, Multicast, Plumb, Unplumb, Witness

SHOWN = 6
"""So many of a list are named; the rest is counted."""


def tell_input(machine: DuraVip, entry: Input) -> str:
    """What happened, as one line. `machine` is as it was before, and lends the names of members."""
    names = {node_id: name for name, node_id, *_ in machine.members() if name}
    match entry.name, entry.arguments:
        case "on_view", (ViewChanged() as view, *_):
            return _view(view, names)
        case "on_message", (Member() as sender, bytes(data), *_):
            return f"{_member(sender, names)}: {tell_message(data)}"
        case "on_timer", _:
            return "a timer is due"
        case "on_witnessed", (answers, *_):
            return f"the wire was asked: {_list(_answer(vip, mac) for vip, mac in answers)}"
    word = entry.name.removeprefix("on_").replace("_", " ")
    return " ".join([word, *(_value(value) for value in entry.arguments[:-1])]).strip()


def tell_message(data: bytes) -> str:
    """A message of the bus: its kind and what matters in it."""
    try:
        part = decode(data)
    except MessageError as error:
        return f"a message that is not understood ({error})"
    if not isinstance(part, Envelope):
        return f"piece {part.index + 1} of {part.count} of message {part.sequence}"
    return _message(part.message)


def _message(message: Message) -> str:
    kind = type(message).__name__.upper()
    if isinstance(message, State):
        facts = message.facts
        words = [word for word in ("draining", "cordoned", "claiming") if getattr(facts, word)]
        words += ["mature"] if message.mature else ["not mature"]
        words += [f"holds {message.holds.bit_count()}", f"owns {message.owns.bit_count()}"]
        return f"{kind} of {facts.name}, {'answers a view' if message.gather else 'news'}: {', '.join(words)}"
    values = [getattr(message, name) for name in getattr(type(message), "__slots__", ())]
    shown = [text for value in values if (text := _value(value))]
    return " ".join([kind, *shown])


def is_routine(effect: Effect) -> bool:
    """It says only that the sender lives."""
    return isinstance(effect, Multicast) and tell_message(effect.data).partition(" ")[0] in {"BEACON", "HEARTBEAT"}


def tell_effect(effect: Effect) -> str:
    """What the machine asked for."""
    match effect:
        case Plumb(vip, planned):
            return f"plumb {vip}" + (" (planned)" if planned else " (ask the wire first)")
        case Unplumb(vip, grace_s):
            return f"unplumb {vip}" + (f" within {grace_s:g} s" if grace_s else " at once")
        case Multicast(data):
            return f"send {tell_message(data)}"
        case Announce(vips, is_known):
            return f"announce {_list(map(str, vips))}" + (" again" if is_known else "")
        case Witness() | Contest():
            return _hearing(effect)
        case Isolate(reason):
            return f"let go of everything and join anew: {reason}"


def _hearing(effect: Witness | Contest) -> str:
    if isinstance(effect, Witness):
        return f"ask the wire, for another member, who has {_list(map(str, effect.vips))}"
    if effect.mac:
        return f"wait with {effect.vip}: node {effect.witness.node_id} hears that {effect.mac.hex(':')} answers"
    return f"wait no longer with {effect.vip} for what node {effect.witness.node_id} heard"


def _answer(vip: Address, mac: bytes | None) -> str:
    return f"{mac.hex(':') if mac else 'nobody'} has {vip}"


def _view(view: ViewChanged, names: dict[int, str]) -> str:
    words = [f"view of {_list(_member(member, names) for member in view.members)}"]
    for word, members in (("joined", view.joined), ("left", view.left)):
        if members:
            words.append(f"{word}: {_list(_member(member, names) for member in sorted(members))}")
    words.append(f"on the ring: {_list(names.get(number, str(number)) for number in sorted(view.reachable))}")
    return "; ".join(words)


def _member(member: Member, names: dict[int, str]) -> str:
    return names.get(member.node_id, f"node {member.node_id}") + f"/{member.pid}"


def _value(value: object) -> str:
    if isinstance(value, bytes):
        return f"({len(value)} bytes)"
    if isinstance(value, tuple | list | set | frozenset):
        return _list(sorted(map(str, value))) if len(value) else ""
    return "" if value is None else str(value)


def _list(words: Iterable[str]) -> str:
    found = list(words)
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return " ".join(found[:SHOWN]) + more
