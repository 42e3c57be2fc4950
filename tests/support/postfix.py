"""A Postfix of our own on loopback, as a server: its own folders, nothing of the system's, ended by its process id."""

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

MASTER = Path("/usr/lib/postfix/sbin/master")
needs_postfix = pytest.mark.skipif(
    not MASTER.exists() or os.getuid() != 0, reason="Postfix (package postfix) is missing, or we are not root"
)
_MAIN_CF = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
meta_directory = {meta}
maillog_file = {folder}/maillog
maillog_file_prefixes = {folder}
mynetworks = 127.0.0.0/8 192.0.2.0/24
mydestination =
myhostname = postfix.test
relayhost = {relayhost}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
smtpd_recipient_restrictions = permit_mynetworks, reject
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_tls_received_header = yes
{more}
"""
_MASTER_CF = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
tlsmgr unix - - n 1000? 1 tlsmgr
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


@asynccontextmanager
async def postfix(sink: int, more: str) -> AsyncIterator[str]:
    """Its `address:port`. It passes mail on to port `sink` here. `more`: lines of main.cf."""
    folder = Path(tempfile.mkdtemp(prefix="postfix-", dir="/var/tmp"))  # its own users have to reach it
    folder.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    master = subprocess.Popen(furnished(folder, port, f"[127.0.0.1]:{sink}", more))
    try:
        await _answers(port)
        yield f"127.0.0.1:{port}"
    finally:
        master.terminate()
        await asyncio.to_thread(master.wait, 30)
        shutil.rmtree(folder, ignore_errors=True)


def furnished(folder: Path, port: int, relayhost: str, more: str) -> list[str]:
    """The command that starts one which has everything in `folder`; `more`: lines of main.cf. Needs root."""
    meta = "/etc/postfix" if Path("/etc/postfix/postfix-files").exists() else "/usr/share/postfix"
    config, queue = folder / "config", folder / "queue"
    for path in (config, queue, queue / "pid", folder / "data"):
        path.mkdir()
    shutil.chown(folder / "data", "postfix")
    (config / "main.cf").write_text(_MAIN_CF.format(folder=folder, relayhost=relayhost, more=more, meta=meta))
    (config / "master.cf").write_text(_MASTER_CF.format(port=port))
    for name in ("incoming", "active", "deferred", "hold", "bounce", "defer", "corrupt", "flush", "trace", "saved"):
        (queue / name).mkdir(mode=0o700)
        shutil.chown(queue / name, "postfix")
    for name, mode, group in (("private", 0o700, None), ("public", 0o710, "postdrop")):
        (queue / name).mkdir()
        (queue / name).chmod(mode)
        shutil.chown(queue / name, "postfix", group)
    return [str(MASTER), "-c", str(config), "-d"]


async def _answers(port: int) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                greeting = await reader.readline()
                writer.close()
                await writer.wait_closed()
            except OSError:
                greeting = b""
            if greeting.startswith(b"220"):
                return
            await asyncio.sleep(0.1)
