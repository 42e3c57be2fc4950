"""Joining a group of Corosync: what is worth another try, and what the caller is told."""

import pytest

from momentum_node.bus import corosync
from momentum_node.bus.contract import IdentityTaken
from momentum_node.bus.libcpg import Cpg, CpgError, Status


class Answers(Cpg):
    """A handle whose daemon answers `cpg_join` with these codes, the last one for ever."""

    def __init__(self, *codes: Status) -> None:
        self.codes = list(codes)

    def join(self, group: str) -> None:
        code = self.codes.pop(0) if len(self.codes) > 1 else self.codes[0]
        if code != Status.OK:
            raise CpgError("cpg_join", code)


async def test_an_earlier_membership_gets_a_moment_to_end() -> None:
    await corosync._join(Answers(Status.EXIST, Status.TRY_AGAIN, Status.OK), "group")


async def test_a_membership_that_does_not_end_is_told_from_a_bus_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corosync, "EXIST_PATIENCE_S", 0.05)
    with pytest.raises(IdentityTaken, match="CS_ERR_EXIST"):
        await corosync._join(Answers(Status.EXIST), "group")
    with pytest.raises(CpgError, match="CS_ERR_LIBRARY"):
        await corosync._join(Answers(Status.LIBRARY), "group")
