"""Links that come and go: which carry addresses."""

from momentum_node.duravip.carriers import Carriers


def test_a_link_counts_at_once_when_it_was_never_seen_to_go() -> None:
    carriers = Carriers(4.0)
    carriers.came("eth0", 10.0)
    assert carriers.useless(10.0) == {}


def test_one_that_comes_back_proves_itself_first() -> None:
    carriers = Carriers(4.0)
    carriers.lost("eth0")
    assert carriers.useless(10.0) == {"eth0": "link down"}
    carriers.came("eth0", 20.0)
    assert carriers.useless(23.9) == {"eth0": "link up, for how long is to be seen"}
    assert carriers.useless(24.0) == {}


def test_one_that_wobbles_begins_anew_each_time_and_others_are_not_touched() -> None:
    carriers = Carriers(4.0)
    carriers.came("eth1", 0.0)
    for second in range(10, 20):
        carriers.lost("eth0")
        assert carriers.useless(second) == {"eth0": "link down"}
        carriers.came("eth0", second + 0.5)
        assert list(carriers.useless(second + 0.9)) == ["eth0"]
    assert carriers.useless(23.4) != {}
    assert carriers.useless(23.5) == {}


def test_word_of_a_link_that_is_up_already_changes_nothing() -> None:
    carriers = Carriers(4.0)
    carriers.lost("eth0")
    carriers.came("eth0", 10.0)
    carriers.came("eth0", 12.0)
    assert carriers.useless(14.0) == {}
