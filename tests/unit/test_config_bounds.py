"""A megabyte of anything is checked within 2 s of processor time and 200 MB, start-up of the command included."""

import os
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

SIZE = 1 << 20
IDLE_S = 0.05  # what `pace` takes on the machine that the bounds were set on, when nothing else runs


def repeated(piece: Callable[[int], str], before: str = "", after: str = "") -> str:
    parts, length = [before], 0
    while length < SIZE:
        parts.append(piece(len(parts)))
        length += len(parts[-1])
    return "".join([*parts, after])


def ip(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


TEXTS = {
    "one option again and again": lambda: repeated(lambda _: "TLS=no "),
    "domains": lambda: repeated(lambda number: f"Domain d{number:x}{{TLS=no}}\n"),
    "one stanza again and again": lambda: repeated(lambda _: "Domain a{}"),
    "bindings": lambda: repeated(lambda number: f"Binding b{number:x}{{}}"),
    "a list of words": lambda: repeated(lambda _: "a ", "Relay_Domains=(", ")"),
    "a list of networks": lambda: repeated(lambda number: f"::{number & 65535:x} ", "Relay_Hosts=(", ")"),
    "elements with bodies": lambda: repeated(lambda _: "a[] ", "Routes=(", ")"),
    "sockets": lambda: repeated(lambda number: f"{ip(number)} ", "ESMTP_Listener=(", ")"),
    "rule lists": lambda: repeated(lambda number: f"{ip(number)}=(continue)", "ESMTP_Listener=(*:25[", "])"),
    "clients": lambda: repeated(lambda number: f"Peer {ip(number)}{{}}", "ESMTP_Listener{", "}"),
    "networks": lambda: repeated(lambda number: f"{ip(number)}[interface=e]", "cluster{", "}"),
    "hostile expressions": lambda: repeated(lambda number: f"Domain /^(d{number:x}|d+){{1,99}}$/{{}}"),
    "open brackets": lambda: repeated(lambda _: "(", "Routes="),
    "mistakes": lambda: repeated(lambda number: f"Retry_Intervall{number:x}=1 "),
}


def pace() -> float:
    begin = time.process_time()
    for _ in range(4_000_000):
        pass
    return time.process_time() - begin


@pytest.mark.long
@pytest.mark.parametrize("name", TEXTS)
def test_a_megabyte_is_checked_in_time(name: str) -> None:
    command = [sys.executable, "-m", "momentum_node", "config", "check", "-"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert process.stdin is not None
    process.stdin.write(TEXTS[name]().encode())
    process.stdin.close()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)

    assert process.returncode in {0, 1}
    assert used.ru_maxrss < 200 << 10
    assert used.ru_utime + used.ru_stime < 2 * max(1, pace() / IDLE_S)
