"""A ring gets another key: what each node does at each stage, and what it never does."""

import json
from pathlib import Path

import pytest

from momentum_node.bus.keyfiles import SETTLE_S, KeyFiles, published
from momentum_node.bus.keystages import TURN_S, KeyStages, Mounted, Stage, mounted
from momentum_node.config.corosync import RingNode, render
from momentum_node.config.ringkeys import fingerprint

OLD, NEW, OTHER = b"o" * 256, b"n" * 256, b"x" * 256
DISTRIBUTE, INSTALL, SWITCH = (Mounted(OLD, NEW, stage) for stage in (Stage.DISTRIBUTE, Stage.INSTALL, Stage.SWITCH))
DONE = Mounted(NEW, None, Stage.NONE)


def running(rank: int = 0) -> KeyStages:
    stages = KeyStages(rank)
    stages.started(OLD)
    stages.look(Mounted(OLD, None, Stage.NONE), 0.0)
    return stages


def test_until_the_switch_nobody_reloads_and_the_file_changes_only_when_installed() -> None:
    stages = running()
    for now, seen in enumerate((DISTRIBUTE, INSTALL), 1):
        stages.look(seen, now)
        assert not stages.is_due(now + 1000)
        assert stages.holds_back
    assert (DISTRIBUTE.in_file, INSTALL.in_file, SWITCH.in_file) == (OLD, NEW, NEW)


def test_who_starts_before_the_switch_starts_with_the_key_of_its_ring() -> None:
    assert (DISTRIBUTE.at_start, INSTALL.at_start, SWITCH.at_start, DONE.at_start) == (OLD, OLD, NEW, NEW)


def test_the_first_node_reloads_and_the_others_a_little_later() -> None:
    first, third = running(0), running(2)
    for stages in (first, third):
        stages.look(SWITCH, 10.0)
    assert first.is_due(10.0)
    assert not third.is_due(10.0 + 2 * TURN_S - 0.1)
    third.look(SWITCH, 12.0)  # looking again does not put it off
    assert third.is_due(10.0 + 2 * TURN_S)


def test_after_the_reload_other_changes_may_pass_again() -> None:
    stages = running()
    stages.look(SWITCH, 10.0)
    stages.reloaded()
    assert not stages.holds_back
    stages.look(DONE, 20.0)
    assert not stages.is_due(1000.0)
    assert stages.state(NEW) == {
        "stage": "",
        "file": fingerprint(NEW),
        "next": None,
        "inForce": fingerprint(NEW),
    }


def test_a_reload_that_failed_is_tried_again() -> None:
    stages = running()
    stages.look(SWITCH, 10.0)
    assert stages.is_due(10.0)
    stages.look(SWITCH, 11.0)
    assert stages.is_due(11.0)
    assert stages.state(NEW)["inForce"] == fingerprint(OLD)


def test_a_key_that_is_simply_replaced_is_reloaded_at_once() -> None:
    """As after a loss of the Secret: every node for itself."""
    stages = running(rank=5)
    stages.look(Mounted(OTHER, None, Stage.NONE), 3.0)
    assert stages.is_due(3.0)
    assert not stages.holds_back


def test_a_rotation_that_is_given_up_leaves_everything_as_it_was() -> None:
    stages = running()
    stages.look(DISTRIBUTE, 1.0)
    stages.look(Mounted(OLD, None, Stage.NONE), 2.0)
    assert not stages.holds_back
    assert not stages.is_due(1000.0)


@pytest.mark.parametrize(
    "files",
    [
        {"authkey": OLD, "stage": b"switch"},
        {"authkey": OLD, "authkey.next": b"short", "stage": b"install"},
        {"authkey": OLD, "authkey.next": OLD, "stage": b"install"},
        {"authkey": OLD, "authkey.next": NEW, "stage": b"now!"},
        {"authkey": OLD, "authkey.next": NEW},
    ],
)
def test_half_a_rotation_is_none(files: dict[str, bytes]) -> None:
    assert mounted(files) == Mounted(OLD, None, Stage.NONE)


def test_without_a_key_that_corosync_takes_nothing_is_done() -> None:
    assert mounted({}) is None
    assert mounted({"authkey": b"k" * 127}) is None


def test_a_fingerprint_tells_keys_apart_and_not_what_they_are() -> None:
    assert len({fingerprint(key) for key in (OLD, NEW, b"")}) == 3
    assert OLD.hex()[:8] not in fingerprint(OLD)


# -- files ---------------------------------------------------------------------------------------


class Folders:
    """A bus container's key folder, key file and state folder."""

    def __init__(self, root: Path) -> None:
        self.keys, self.file, self.conf = root / "keys", root / "etc" / "authkey", root / "corosync.conf"
        self.keys.mkdir()
        (root / "state").mkdir()
        ring = [RingNode("n1", 1, "192.0.2.1"), RingNode("n2", 2, "192.0.2.2")]
        self.conf.write_text(render("c", ring, keyfile=str(self.file), state_dir=str(root / "state")))

    def mount(self, **files: bytes | None) -> None:
        for name, content in files.items():
            path = self.keys / name.replace("_", ".")
            path.unlink(missing_ok=True)
            if content is not None:
                path.write_bytes(content)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def test_the_file_follows_the_stages_and_is_for_root_alone(folders: Folders) -> None:
    folders.mount(authkey=OLD)
    files = KeyFiles(folders.keys, folders.conf, own_id=1)
    files.prepare(0.0)
    assert folders.file.read_bytes() == OLD
    assert folders.file.stat().st_mode & 0o777 == 0o400
    for at, (stage, content) in enumerate(((b"distribute", OLD), (b"install", NEW), (b"switch", NEW)), 1):
        folders.mount(authkey_next=NEW, stage=stage)
        assert files.look(at * 10.0) is (stage == b"switch")
        assert folders.file.read_bytes() == content
        state = published(folders.conf)
        assert state is not None
        assert (state["stage"], state["file"]) == (stage.decode(), fingerprint(content))
    files.reloaded()
    state = published(folders.conf)
    assert state is not None
    assert state["inForce"] == fingerprint(NEW)
    assert OLD.decode() not in json.dumps(state)


def test_a_restart_between_install_and_switch_joins_the_ring_there_is(folders: Folders) -> None:
    folders.mount(authkey=OLD, authkey_next=NEW, stage=b"install")
    files = KeyFiles(folders.keys, folders.conf, own_id=2)
    files.prepare(100.0)
    assert folders.file.read_bytes() == OLD
    assert not files.look(100.0 + SETTLE_S - 0.1)
    assert folders.file.read_bytes() == OLD  # Corosync may not have read it yet
    assert not files.look(100.0 + SETTLE_S)
    assert folders.file.read_bytes() == NEW


def test_files_of_two_generations_are_never_read_together(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    """The volume is replaced between two files: the old key without the next one would be taken for a new key."""
    generations = {"one": {"authkey": OLD, "authkey.next": NEW, "stage": b"switch"}, "two": {"authkey": NEW}}
    for name, held in generations.items():
        (folders.keys / name).mkdir()
        for file, content in held.items():
            (folders.keys / name / file).write_bytes(content)
    data = folders.keys / "..data"
    data.symlink_to("one")
    files = KeyFiles(folders.keys, folders.conf, own_id=1)
    files.prepare(0.0)
    assert folders.file.read_bytes() == NEW
    read = Path.read_bytes

    def replaced_meanwhile(path: Path) -> bytes:
        content = read(path)
        if path.name == "authkey" and path.parent.name == "one":
            (folders.keys / "..new").symlink_to("two")
            (folders.keys / "..new").replace(data)
            (folders.keys / "one" / "authkey.next").unlink()
        return content

    monkeypatch.setattr(Path, "read_bytes", replaced_meanwhile)
    assert not files.look(10.0)
    assert folders.file.read_bytes() == NEW
    assert not files.look(11.0)
    assert folders.file.read_bytes() == NEW


def test_the_second_node_waits_for_its_turn(folders: Folders) -> None:
    folders.mount(authkey=OLD)
    files = KeyFiles(folders.keys, folders.conf, own_id=2)
    files.prepare(0.0)
    folders.mount(authkey_next=NEW, stage=b"switch")
    assert not files.look(10.0)
    assert files.look(10.0 + TURN_S)


def test_without_a_folder_the_key_is_somebody_elses(folders: Folders) -> None:
    files = KeyFiles(None, folders.conf, own_id=1)
    files.prepare(0.0)
    assert not files.look(100.0)
    assert not files.holds_back
    assert not folders.file.exists()
    assert published(folders.conf) is None
