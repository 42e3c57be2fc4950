"""How a ring gets another key without anybody losing anybody: what one node does at each stage. Pure.

    stage        the key file holds      Corosync starts with    reloads
    (none)       authkey                 authkey                 when the file changed
    distribute   authkey                 authkey                 never: the next key only gets around
    install      authkey.next            authkey                 never: others may not have it yet
    switch       authkey.next            authkey.next            once; the others a little later, should this one not

A reload (corosync-cfgtool(8), -R) is one for the whole ring: each daemon loads what its own file holds, then all begin
to send with it, then all forget the old key. So a node whose file is older by then is lost to the others. Hence nobody
may enter `install` before all have seen `distribute`, from which on nobody reloads for another reason, nor `switch`
before all have installed. Who leads through the stages (the operator, or a person) sees to that by what nodes publish.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from momentum_node.config.corosync import AUTHKEY_MIN_BYTES
from momentum_node.config.ringkeys import CURRENT, NEXT, STAGE, fingerprint
from momentum_node.status.report import BusKeyReport

TURN_S = 3.0
"""The first node of the list reloads at once, the second one so much later, and so on: once more changes nothing."""


class Stage(StrEnum):
    """Where a rotation stands."""

    NONE = ""
    DISTRIBUTE = "distribute"
    INSTALL = "install"
    SWITCH = "switch"


@dataclass(frozen=True, slots=True)
class Mounted:
    """A key folder that can be used."""

    current: bytes
    next: bytes | None
    stage: Stage

    @property
    def in_file(self) -> bytes:
        """What the file that corosync.conf names must hold."""
        return self.next if self.next and self.stage in {Stage.INSTALL, Stage.SWITCH} else self.current

    @property
    def at_start(self) -> bytes:
        """What a Corosync must have that starts now."""
        return self.next if self.next and self.stage is Stage.SWITCH else self.current


def mounted(files: Mapping[str, bytes]) -> Mounted | None:
    """A folder's content; None without a key that Corosync takes. A stage without a next key is none."""
    current, following = files.get(CURRENT, b""), files.get(NEXT, b"")
    if len(current) < AUTHKEY_MIN_BYTES:
        return None
    word = files.get(STAGE, b"").decode("ascii", "replace").strip()
    is_known = word in set(Stage) and len(following) >= AUTHKEY_MIN_BYTES and following != current
    return Mounted(current, following, Stage(word)) if word and is_known else Mounted(current, None, Stage.NONE)


class KeyStages:
    """One node's part. `rank`: its place in the node list."""

    def __init__(self, rank: int) -> None:
        self._rank = rank
        self._seen: Mounted | None = None
        self._due: float | None = None
        self._in_force = b""

    def started(self, key: bytes) -> None:
        """Corosync starts with this key."""
        self._in_force, self._due = key, None

    def look(self, seen: Mounted, now: float) -> None:
        """The folder, again."""
        self._seen = seen
        if not self._wants_reload(seen):
            self._due = None
        elif self._due is None:
            self._due = now + (self._rank * TURN_S if seen.stage is Stage.SWITCH else 0.0)

    def _wants_reload(self, seen: Mounted) -> bool:
        return seen.stage in {Stage.NONE, Stage.SWITCH} and seen.in_file != self._in_force

    def is_due(self, now: float) -> bool:
        """Reload the ring for its key now."""
        return self._due is not None and now >= self._due

    def reloaded(self) -> None:
        """The ring was."""
        if self._seen is not None:
            self._in_force, self._due = self._seen.in_file, None

    @property
    def holds_back(self) -> bool:
        """Nobody may reload the ring for another reason now."""
        return self._seen is not None and self._seen.next is not None and self._seen.next != self._in_force

    def state(self, in_file: bytes) -> BusKeyReport:
        """To be published; `in_file`: what the key file holds."""
        following = self._seen.next if self._seen else None
        return BusKeyReport(
            stage=self._seen.stage.value if self._seen else "",
            file=fingerprint(in_file),
            next=fingerprint(following) if following else None,
            inForce=fingerprint(self._in_force),
        )
