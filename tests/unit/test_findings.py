"""What the core keeps of the findings of its mail workers."""

from momentum_node.findings import FORGET_S, MOST, SHORTEST_REST_S, Findings, HostRests, LookupFails


def test_a_rest_gets_shorter_and_the_row_of_failures_stays_when_it_is_over() -> None:
    findings = Findings()
    findings.note(HostRests("192.0.2.1", 120.0, failures=4), now=1000)
    assert list(findings.all(1050)) == [HostRests("192.0.2.1", 70.0, failures=4)]
    assert list(findings.all(1500)) == [HostRests("192.0.2.1", SHORTEST_REST_S, failures=4)]
    assert list(findings.all(1200 + FORGET_S)) == []


def test_the_newest_word_counts_and_good_news_end_it() -> None:
    findings = Findings()
    for queries in (1, 2):
        findings.note(LookupFails("y.test", queries, 1), now=0)
    assert list(findings.all(0)) == [LookupFails("y.test", 2, 1)]
    findings.note(LookupFails("y.test", 0, 0), now=0)
    assert list(findings.all(0)) == []


def test_the_oldest_go_when_there_are_too_many() -> None:
    findings = Findings()
    for number in range(MOST + 1):
        findings.note(LookupFails(f"{number}.test", 1, 1), now=0)
    found = list(findings.all(0))
    assert (len(found), found[0]) == (MOST, LookupFails("1.test", 1, 1))
