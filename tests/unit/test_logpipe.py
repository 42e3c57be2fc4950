"""A log that nobody reads stops no process."""

import os
import subprocess
import sys

from momentum_node.logpipe import LogPipe

LINE = "x" * 99 + "\n"
CHATTER = """
from momentum_node import log
log.configure("chatter")
for number in range(10_000):
    log.logger().info("a line that nobody reads", number=number)
"""


def test_lines_are_dropped_and_counted_while_nobody_reads() -> None:
    reading, writing = os.pipe()
    pipe = LogPipe(writing)
    for _ in range(2000):
        pipe.write(LINE)
    kept = os.read(reading, 1 << 17).count(b"\n")
    assert 500 < kept < 1000  # a pipe holds 64 KiB
    pipe.write(LINE)
    told, line, end = os.read(reading, 1 << 16).decode().split("\n")
    assert told == f'level=warning event="log lines were dropped" count={2000 - kept}'
    assert (line + "\n", end) == (LINE, "")
    os.close(reading)
    pipe.write(LINE)  # nobody will ever read it: no signal, no error
    os.close(writing)


def test_a_long_line_does_not_wait_for_a_slow_reader() -> None:
    reading, writing = os.pipe()
    LogPipe(writing).write("x" * 1_000_000 + "\n")
    assert set(os.read(reading, 1 << 17)) == {ord("x")}
    os.close(reading)
    os.close(writing)


def test_a_process_ends_its_work_with_a_full_pipe_and_without_a_reader() -> None:
    for is_read in (True, False):
        reading, writing = os.pipe()
        if not is_read:
            os.close(reading)
        child = subprocess.run([sys.executable, "-c", CHATTER], stderr=writing, check=False, timeout=30)
        assert child.returncode == 0
        os.close(writing)
        if is_read:
            os.close(reading)
