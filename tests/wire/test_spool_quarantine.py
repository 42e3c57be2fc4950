"""Quarantined mail: listed, shown, put back when it can be read, dropped."""

import json
from pathlib import Path

import pytest

from momentum_node.__main__ import main
from momentum_node.spool.disk import RealDisk
from momentum_node.spool.message import Envelope, Recipient, Transaction
from momentum_node.spool.records import encode_transaction
from momentum_node.spool.recovery import Unreadable
from momentum_node.spool.shard import Shard
from momentum_node.spool_command import spool_list

NAME = "shard-00/000000000007-8224.raw"


def nothing(found: Unreadable) -> None:
    pytest.fail(str(found))


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """One readable record and one of noise in quarantine."""
    folder = tmp_path / "shard-00" / "quarantine"
    folder.mkdir(parents=True)
    recipient = Recipient("00/01-00001-00000001", "b@y.test", "default", "y.test")
    transaction = Transaction(Envelope(1.0, "a@x.test", 2), (recipient,), b"Subject: x\r\n", (b"\r\nhi\r\n",))
    (folder / "000000000007-8224.raw").write_bytes(b"".join(encode_transaction(transaction)))
    (folder / "000000000008-8192.raw").write_bytes(b"\xff" * 100)
    return tmp_path


def run(spool: Path, *words: str) -> int:
    return main(["spool", "quarantine", *words, "--spool", str(spool)])


def test_listed_and_shown(spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(spool, "list", "--format", "json") == 0
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["name"] for one in listed] == [NAME, "shard-00/000000000008-8192.raw"]
    assert run(spool, "show", NAME, "--format", "json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["messages"][0]["sender"], shown["messages"][0]["recipients"]) == ("a@x.test", ["b@y.test"])


def test_what_can_be_read_goes_back_and_what_cannot_stays(spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(spool, "retry", NAME) == 0
    assert [entry.recipient for entry in spool_list(spool)] == ["b@y.test"]
    assert run(spool, "retry", "shard-00/000000000008-8192.raw") == 1
    assert "still not readable" in capsys.readouterr().err
    run(spool, "list")
    assert NAME not in capsys.readouterr().out


def test_a_shard_in_use_is_left_alone(spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shard = Shard(RealDisk(), str(spool / "shard-00"), salt=lambda: b"12345678", on_unreadable=nothing)
    shard.open()
    try:
        assert run(spool, "retry", NAME) == 1
    finally:
        shard.close()
    assert "in use" in capsys.readouterr().err
    assert (spool / "shard-00" / "quarantine" / "000000000007-8224.raw").exists()


def test_dropped_and_unknown(spool: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(spool, "drop", NAME) == 0
    assert run(spool, "drop", NAME) == 1
    assert "nothing of that name" in capsys.readouterr().err
