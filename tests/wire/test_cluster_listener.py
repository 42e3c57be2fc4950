"""Who may speak on a cluster listener, over real TLS."""

import asyncio
import contextlib
import datetime as dt
import json
import ssl
from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from momentum_node.cluster import frames
from momentum_node.cluster.dialing import Dialer, client_context
from momentum_node.cluster.listener import ClusterListener, Stream
from momentum_node.cluster.roster import Roster
from momentum_node.errors import ProtocolError
from momentum_node.services import tls_context
from momentum_operator import certificates

HERE, THERE = "127.0.78.1", "127.0.78.2"


class Cluster:
    """Two nodes on loopback; the second listens and says hello to whoever may speak."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._now = dt.datetime.now(dt.UTC)
        self._authority = certificates.make_authority("c", self._now)
        self.heard: list[frames.Hello] = []
        self.port = 0
        listed = [{"name": "n1", "id": 1, "address": HERE}, {"name": "n2", "id": 2, "address": THERE}]
        (folder / "nodes.json").write_text(json.dumps({"cluster": "c", "nodes": listed}))
        self.roster = Roster(folder / "nodes.json")

    def tls(self, role: str, cluster: str = "c", authority: certificates.Pair | None = None) -> Path:
        """A folder with a certificate."""
        signer = authority or self._authority
        pair = certificates.make_certificate(signer, cluster, role, self._now)
        folder = self._folder / f"{role}-{cluster}-{authority is None}"
        folder.mkdir(exist_ok=True)
        (folder / "ca.crt").write_bytes(self._authority.certificate)
        (folder / "tls.crt").write_bytes(pair.certificate)
        (folder / "tls.key").write_bytes(pair.key)
        return folder

    def dialer(self, folder: Path, name: str = "n1", here: str = HERE) -> Dialer:
        """Calls with the certificate of a folder."""
        return Dialer(name, ip_address(here), self.port, self.roster, lambda: client_context(folder))

    async def serve(self, hello: frames.Hello, stream: Stream) -> None:
        """Say back what comes."""
        self.heard.append(hello)
        stream[1].write(frames.hello_ok("n2"))
        with contextlib.suppress(asyncio.IncompleteReadError):
            stream[1].write(await stream[0].readexactly(4))


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    made = Cluster(tmp_path)
    listener = ClusterListener(made.roster, tls_context(made.tls("node")), {"echo": made.serve})
    await listener.listen(THERE, 0)
    made.port = listener.port
    yield made
    await listener.close()


async def test_a_node_that_shows_its_certificate_and_calls_from_its_address_is_served(cluster: Cluster) -> None:
    reader, writer = await cluster.dialer(cluster.tls("node")).dial("echo", "n2", 3)
    writer.write(b"ping")
    assert await reader.readexactly(4) == b"ping"
    writer.close()
    assert cluster.heard == [frames.Hello("echo", "n1", shard=3)]


@pytest.mark.parametrize(
    ("role", "name", "here"),
    [("operator", "n1", HERE), ("node", "n2", HERE), ("node", "n1", "127.0.78.9"), ("node", "n9", HERE)],
    ids=["role", "another name", "another address", "unknown"],
)
async def test_others_are_refused(cluster: Cluster, role: str, name: str, here: str) -> None:
    with pytest.raises((OSError, EOFError, ProtocolError)):
        await cluster.dialer(cluster.tls(role), name, here).dial("echo", "n2", 0)
    assert cluster.heard == []


async def test_a_stranger_does_not_get_past_the_handshake(cluster: Cluster) -> None:
    stranger = certificates.make_authority("c", dt.datetime.now(dt.UTC))
    with pytest.raises((OSError, EOFError)):
        await cluster.dialer(cluster.tls("node", authority=stranger)).dial("echo", "n2", 0)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(THERE, cluster.port, ssl=context)  # without any certificate
    with contextlib.suppress(OSError):
        writer.write(frames.hello(frames.Hello("echo", "n1")))
        assert await reader.read() == b""
    with contextlib.suppress(OSError):
        writer.close()
        await writer.wait_closed()
    assert cluster.heard == []


async def test_a_service_that_is_not_here_is_named(cluster: Cluster) -> None:
    with pytest.raises(ProtocolError, match="no service 'log' here"):
        await cluster.dialer(cluster.tls("node")).dial("log", "n2", 0)


async def test_who_answers_for_another_node_is_not_believed(cluster: Cluster) -> None:
    listed = [{"name": "n1", "id": 1, "address": HERE}, {"name": "n3", "id": 3, "address": THERE}]
    (cluster.tls("node").parent / "nodes.json").write_text(json.dumps({"cluster": "c", "nodes": listed}))
    with pytest.raises(ProtocolError, match="n2 answers instead of n3"):
        await cluster.dialer(cluster.tls("node")).dial("echo", "n3", 0)


async def test_no_more_connections_to_a_node_than_allowed(cluster: Cluster) -> None:
    dialer = cluster.dialer(cluster.tls("node"))
    async with dialer.place("n2", 1):
        async with dialer.place("n1", 1):
            pass
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05), dialer.place("n2", 1):
                pass
    async with asyncio.timeout(5), dialer.place("n2", 1):
        pass


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x93\x01\x01\x80", frames.hello_ok("n2")[4:], b"\x93\x01\x01\x01"])
def test_what_is_no_hello_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        frames.read_hello(data)


def test_a_greeting_has_a_length() -> None:
    frame = frames.hello(frames.Hello("ECmmove2", "n1", shard=2))
    assert frames.length(frame[:4]) == len(frame) - 4
    assert frames.read_hello(frame[4:]) == frames.Hello("ECmmove2", "n1", shard=2)
    for size in (0, 1 << 20):
        with pytest.raises(ProtocolError):
            frames.length(size.to_bytes(4))
