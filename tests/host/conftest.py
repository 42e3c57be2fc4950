"""Two hosts on one wire for every story of the supervisor."""

from collections.abc import Iterator

import pytest

from tests.support.lab import Lab, why_no_lab


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A wire with the hosts `n1` and `n2`, made for one test."""
    if reason := why_no_lab():
        pytest.skip(reason)
    with Lab("192.0.2") as made:
        made.add("n1", 1)
        made.add("n2", 2)
        yield made
