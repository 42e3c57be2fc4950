"""The compiled configuration as a file: who writes it, who believes it, and when it is let go."""

import gc
import os
import threading
import time
from pathlib import Path

import pytest

from momentum_node import compiling, generation, settings
from momentum_node.config.loading import ConfigurationInvalid, load
from momentum_node.config.stored import CompiledUnusable
from momentum_node.config_command import DiskFiles
from momentum_node.errors import ConfigurationError

GOOD = 'Hostname = "one.test"\nDomain "a.test" { Max_Outbound_Connections = 7 }\n'
BAD = "Hostname = one.test\nMax_Outbound_Conections = 7\nIdle_Time = never\n"


@pytest.fixture
def own(tmp_path: Path) -> settings.Settings:
    (tmp_path / "ecelerity.conf").write_text(GOOD)
    found = settings.from_environment(
        {
            "MOMENTUM_CONFIG": str(tmp_path / "ecelerity.conf"),
            "MOMENTUM_RUN": str(tmp_path / "run"),
            "EC_NODE_NAME": "n1",
        }
    )
    found.run.mkdir()
    return found


def is_mapped(path: Path) -> bool:
    return str(path) in Path("/proc/self/maps").read_text()


def test_the_helper_compiles_what_the_others_map(own: settings.Settings) -> None:
    compiling.compile_in_helper(own)

    found = generation.read(own)
    assert found.node == load(str(own.config), DiskFiles()).node
    assert found.outbound("default", "a.test").max_outbound_connections == 7
    assert [path.name for path in own.run.iterdir()] == ["configuration"]


def test_a_bad_text_changes_nothing_and_its_messages_come_back(own: settings.Settings) -> None:
    compiling.compile_in_helper(own)
    own.config.write_text(BAD)

    with pytest.raises(ConfigurationInvalid) as refusal:
        compiling.compile_in_helper(own)

    with pytest.raises(ConfigurationInvalid) as expected:
        load(str(own.config), DiskFiles())
    assert refusal.value.messages == expected.value.messages
    assert refusal.value.text == expected.value.text
    assert generation.read(own).node.hostname == "one.test"


def test_a_core_looks_again_when_the_files_change(own: settings.Settings) -> None:
    generations = generation.Generations(own, generation.first(own))
    assert generations.look() is None

    own.config.write_text(BAD)
    assert generations.look() is None
    assert len(generations.errors) == 2
    own.config.write_text(GOOD.replace("one.test", "two.test"))
    found = generations.look()

    assert found is not None
    assert (found.node.hostname, generations.errors, generations.running) == ("two.test", [], found)


def test_a_folder_that_cannot_be_written_is_said(own: settings.Settings) -> None:
    own.run.rmdir()
    own.run.write_text("in the way")

    with pytest.raises(ConfigurationError, match="cannot be written"):
        compiling.write(own)


def test_a_reader_keeps_the_old_one_until_the_last_user_is_gone(own: settings.Settings) -> None:
    compiling.write(own)
    old = generation.read(own)
    user = old.tree.children["domain", "a.test"]
    own.config.write_text(GOOD.replace("7", "8"))
    compiling.write(own)
    new = generation.read(own)

    assert old.outbound("default", "a.test").max_outbound_connections == 7
    assert new.outbound("default", "a.test").max_outbound_connections == 8
    assert user.settings["max_outbound_connections"].decoded == 7
    assert is_mapped(own.run / "configuration (deleted)")
    del old
    gc.collect()
    assert not is_mapped(own.run / "configuration (deleted)")
    assert is_mapped(own.run / "configuration")


def test_a_file_that_others_may_write_is_not_believed(own: settings.Settings) -> None:
    compiling.write(own)
    (own.run / "configuration").chmod(0o664)

    with pytest.raises(CompiledUnusable, match="others may write it"):
        generation.read(own)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_file_of_a_mail_process_is_not_believed(own: settings.Settings) -> None:
    compiling.write(own)
    os.chown(own.run / "configuration", settings.MAIL_UID, -1)

    with pytest.raises(CompiledUnusable, match=f"belongs to uid {settings.MAIL_UID}"):
        generation.read(own)


def test_a_link_is_not_followed(own: settings.Settings) -> None:
    compiling.write(own)
    (own.run / "configuration").rename(own.run / "elsewhere")
    (own.run / "configuration").symlink_to("elsewhere")

    with pytest.raises(ConfigurationError, match="cannot be read"):
        generation.read(own)


def test_a_damaged_file_is_refused_by_name(own: settings.Settings) -> None:
    compiling.write(own)
    data = bytearray((own.run / "configuration").read_bytes())
    data[-3] ^= 1
    (own.run / "configuration").write_bytes(data)

    with pytest.raises(CompiledUnusable, match=r"configuration: the compiled configuration is damaged"):
        generation.read(own)


@pytest.mark.parametrize(("mode", "expected"), [(0o644, 0o644), (0o640, 0o640), (0o600, 0o600), (0o666, 0o644)])
def test_who_may_read_all_of_the_text_may_read_it_compiled(own: settings.Settings, mode: int, expected: int) -> None:
    own.config.chmod(mode)
    compiling.write(own)

    assert (own.run / "configuration").stat().st_mode & 0o777 == expected


def test_a_secret_that_is_included_stays_one(own: settings.Settings) -> None:
    secret = own.config.parent / "secret.conf"
    secret.write_text("Idle_Timeout = 3")
    secret.chmod(0o600)
    own.config.write_text(f'include "{secret}"')
    compiling.write(own)

    assert (own.run / "configuration").stat().st_mode & 0o777 == 0o600


def test_left_over_temporary_files_are_removed(own: settings.Settings) -> None:
    (own.run / ".configuration-killed").write_text("half")
    compiling.write(own)

    assert [path.name for path in own.run.iterdir()] == ["configuration"]


def test_a_process_that_is_early_waits_for_the_core(own: settings.Settings) -> None:
    def core() -> None:
        time.sleep(0.3)
        compiling.write(own)

    thread = threading.Thread(target=core)
    thread.start()
    assert generation.wait(own).node.hostname == "one.test"
    thread.join()
