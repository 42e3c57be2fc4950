"""Another Corosync on the host: seen in what the kernel tells of sockets and locks, and told to who asks."""

import asyncio
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest

from momentum_node.bus import rivals
from momentum_node.bus.ringwatch import RingWatch
from momentum_node.config.corosync import RingNode, render

HERE = ip_address("127.0.0.1")
UDP = """\
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  101: 0100007F:151D 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 71 2 0000000000000000 0
  102: 00000000:151D 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 72 2 0000000000000000 0
  103: 0200007F:151D 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 73 2 0000000000000000 0
"""
UNIX = """\
Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 30 @cpg@@@@@@@@@@@@@@@@@@@@@@@
0000000000000000: 00000003 00000000 00000000 0001 03 31 @cmap@@@@@@@@@@@@@@@@@@@@@@
0000000000000000: 00000003 00000000 00000000 0001 03 32
0000000000000000: 00000002 00000000 00010000 0001 01 33 /run/cfg
"""
LITTLE = pytest.mark.skipif(sys.byteorder != "little", reason="the samples are of a little-endian machine")


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a ring on a port that nobody has; and a lock file of our own."""
    monkeypatch.setattr(rivals, "PID_FILE", tmp_path / "corosync.pid")
    monkeypatch.setattr(rivals, "SERVICES", frozenset())  # another test may run a Corosync here
    with bound_udp(0) as free:
        port = free.getsockname()[1]
    (tmp_path / "state").mkdir()
    path = tmp_path / "corosync.conf"
    path.write_text(render("c", [RingNode("n1", 1, str(HERE))], port=port, state_dir=str(tmp_path / "state")))
    return path


@contextmanager
def bound_udp(port: int) -> Iterator[socket.socket]:
    """As knet binds."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((str(HERE), port))
        yield sock


def port_of(conf: Path) -> int:
    return int(conf.read_text().partition("mcastport: ")[2].split()[0])


def test_with_nobody_in_the_way_it_says_nothing(conf: Path) -> None:
    assert rivals.before_start(conf, HERE) is None
    assert rivals.while_running(conf, HERE) is None


def test_a_port_that_is_taken_is_named(conf: Path) -> None:
    with bound_udp(port_of(conf)):
        why = rivals.before_start(conf, HERE)
    assert why is not None
    assert why.startswith(f"UDP 127.0.0.1 port {port_of(conf)} is taken by another process")
    assert rivals.before_start(conf, HERE) is None


def test_one_who_comes_later_is_seen_though_both_could_bind(conf: Path) -> None:
    with bound_udp(port_of(conf)):
        assert rivals.while_running(conf, HERE) is None  # that is our own
        with bound_udp(port_of(conf)):
            why = rivals.while_running(conf, HERE)
    assert why is not None
    assert "may take packets of the ring" in why


@LITTLE
def test_the_kernels_table_is_read_address_by_address() -> None:
    assert rivals.bound(UDP, HERE, 5405) == 2  # its own and the wildcard
    assert rivals.bound(UDP, HERE, 5406) == 0
    assert rivals.bound(UDP, ip_address("192.0.2.1"), 5405) == 1
    assert rivals.bound("", HERE, 5405) == 0


@LITTLE
def test_ipv6_addresses_are_read_too() -> None:
    row = "  1: B80D0120000000000000000001000000:151D 00000000000000000000000000000000:0000 07"
    assert rivals.bound(f"sl\n{row}\n", ip_address("2001:db8::1"), 5405) == 1
    every = "  1: 00000000000000000000000000000000:151D 00000000000000000000000000000000:0000 07"
    assert rivals.bound(f"sl\n{every}\n", HERE, 5405) == 1  # takes IPv4 as well


def test_only_abstract_sockets_that_listen_count() -> None:
    assert rivals.listening(UNIX) == {"cpg"}
    name = f"rival-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(f"\0{name}")
        assert name not in rivals.listening(Path("/proc/net/unix").read_text())
        sock.listen()
        assert name in rivals.listening(Path("/proc/net/unix").read_text())


def test_a_locked_pid_file_is_a_corosync_that_runs(conf: Path) -> None:
    rivals.PID_FILE.write_text("77\n")
    assert rivals.before_start(conf, HERE) is None
    read, write = os.pipe()
    holds = "import fcntl,sys; f=open(sys.argv[1],'r+'); fcntl.lockf(f,fcntl.LOCK_EX); print('held',flush=True); "
    command = [sys.executable, "-c", holds + "sys.stdin.read()", str(rivals.PID_FILE)]
    with subprocess.Popen(command, stdin=read, stdout=subprocess.PIPE) as holder:
        os.close(read)
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        why = rivals.before_start(conf, HERE)
        os.close(write)
    assert why == f"another Corosync runs here: it has locked {rivals.PID_FILE}"
    assert rivals.before_start(conf, HERE) is None


async def test_the_node_reads_what_its_container_published_and_that_it_is_over(conf: Path) -> None:
    news = asyncio.Event()
    watch = RingWatch(1, news.set, conf)
    task = asyncio.create_task(watch.run())
    for published in ("another Corosync …", None):
        rivals.publish(conf, published)
        async with asyncio.timeout(30):
            while watch.rival != published:
                await asyncio.sleep(0.01)
    task.cancel()
    assert news.is_set()


async def test_the_node_reads_what_weakens_its_ring(conf: Path) -> None:
    watch = RingWatch(1, lambda: None, conf)
    task = asyncio.create_task(watch.run())
    for published in ("cannot set nice -20", None):
        rivals.publish(conf, published, rivals.PRIORITY)
        async with asyncio.timeout(30):
            while watch.weakness != published:
                await asyncio.sleep(0.01)
    assert watch.rival is None
    task.cancel()
