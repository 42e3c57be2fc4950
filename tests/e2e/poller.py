"""Asks an address again and again from the client host, and says how long nobody or two answered.

The asking is done by tests/support/poller.py in a process of its own on the client host; this starts, ends and reads
it. Who answered is told by the host name in the greeting: every node greets with its own.
"""

from __future__ import annotations

import time
from pathlib import Path

from tests.cluster.provider import ClusterProvider
from tests.e2e.clienthost import start_python
from tests.support.ending import end
from tests.support.poller import PATIENCE_S, Answer, double_answer, longest_gap, read, told


class Poller:
    """One connection every 5 ms to one address, from construction to `stop`."""

    def __init__(self, cluster: ClusterProvider, address: str, output: Path, seconds: float) -> None:
        self._output = output
        options = ["--port", "25", "--every", "0.005", "--seconds", str(seconds), "--output", str(output)]
        # First in the queue for a processor: a clock that waits for one measures the machine and not the cluster.
        self._process = start_python(cluster, "tests.support.poller", address, *options, nice=-19)
        self._began = time.monotonic()

    def answers(self) -> list[Answer]:
        return read(self._output) if self._output.exists() else []

    def wait_for_answer(self, after: float, seconds: float = 30) -> Answer:
        """The first answer that came after the time `after`. Raises AssertionError when none comes."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            for answer in self.answers():
                if answer.took is not None and answer.at > after:
                    return answer
            time.sleep(0.05)
        raise AssertionError(f"nobody answered within {seconds:.0f} s")

    def stop(self) -> None:
        time.sleep(PATIENCE_S)
        end(self._process)

    def gap(self, since: float) -> float:
        """The longest time in seconds between two answered tries of which the later one was after `since`."""
        answers = [a for a in self.answers() if a.took is not None]
        before = [a for a in answers if a.at <= since][-1:]
        return longest_gap([*before, *(a for a in answers if a.at > since)])[0]

    def greeters(self) -> set[str]:
        """The host names that answers carried."""
        return {answer.who for answer in self.answers() if answer.who}

    def double(self) -> float:
        """The longest time in seconds that one node went on answering after another had begun to."""
        return double_answer(self.answers())

    def told(self, since: float) -> str:
        """Who answered when, in seconds after `since`."""
        return told(self.answers(), since)
