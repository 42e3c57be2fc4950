"""How a node sees that its ring does not work, and when it blames nobody."""

from momentum_node.bus.ring import Link, RingStatus
from momentum_node.bus.symptoms import SETTLE_S, STALL_S, UNANSWERED_S, WINDOW_S, Symptoms

STATUS = RingStatus(frozenset({1, 2}), (Link(2, 0, True, 1), Link(3, 0, False, 2)), 3, 1, send_failed=False, formed=2)


def formed(count: int) -> RingStatus:
    return RingStatus(STATUS.members, STATUS.links, 3, 1, send_failed=False, formed=count)


class Story:
    def __init__(self) -> None:
        self.symptoms = Symptoms(resolver_s=1.5)
        self.now = 50.0
        self.status: RingStatus | None = STATUS

    def go_on(self, seconds: float, *, delivers: bool = True, forms_each_s: float = 0.0) -> None:
        end, next_form = self.now + seconds, self.now + forms_each_s
        while self.now < end:
            self.symptoms.tick(self.now)
            if delivers:
                self.symptoms.came_back(self.now)
            if forms_each_s and self.status is not None and self.now >= next_form:
                self.status, next_form = formed(self.status.formed + 1), self.now + forms_each_s
            self.symptoms.read(self.status, self.now)
            self.now += 0.2

    def is_stuck(self) -> bool:
        return self.symptoms.row(1, self.now).is_stuck


def test_a_ring_that_delivers_works_whatever_link_is_down() -> None:
    story = Story()
    story.go_on(SETTLE_S + 5)
    row = story.symptoms.row(1, story.now)
    assert (row.lacks, row.is_stuck, row.is_away) == (frozenset({3}), False, False)


def test_silence_is_the_sign() -> None:
    story = Story()
    story.go_on(SETTLE_S + 5)
    story.go_on(1.2, delivers=False)
    assert not story.is_stuck(), "every survivor is silent for token and consensus when a node dies"
    story.go_on(0.6, delivers=False)
    assert story.is_stuck()
    story.go_on(0.2)
    assert not story.is_stuck()


def test_a_ring_that_forms_again_and_again_is_none_even_if_it_delivers() -> None:
    story = Story()
    story.go_on(SETTLE_S + 5)
    story.go_on(3.3, forms_each_s=1.0)
    assert not story.is_stuck(), "three times may be a node that came and went"
    story.go_on(1.2, forms_each_s=1.0)
    assert story.is_stuck()
    story.go_on(WINDOW_S + 1)
    assert not story.is_stuck()


def test_a_daemon_that_is_away_or_new_says_nothing_of_the_ring() -> None:
    story = Story()
    story.go_on(SETTLE_S + 5)
    story.status = None
    story.go_on(30, delivers=False)
    row = story.symptoms.row(1, story.now)
    assert (row.lacks, row.is_stuck, row.is_away) == (frozenset(), False, True)
    assert story.symptoms.silence(story.now) == 0
    story.status = STATUS
    story.go_on(SETTLE_S - 1, delivers=False)
    assert story.symptoms.row(1, story.now).is_away
    story.go_on(2, delivers=False)
    assert story.is_stuck()


def test_a_daemon_that_is_too_busy_with_rings_to_answer_is_still_there() -> None:
    story = Story()
    story.go_on(SETTLE_S + 5)
    story.status = None
    story.go_on(UNANSWERED_S - 0.5, delivers=False)
    row = story.symptoms.row(1, story.now)
    assert (row.lacks, row.is_stuck, row.is_away) == (frozenset({3}), True, False)


def test_a_daemon_that_was_replaced_between_two_looks_is_new() -> None:
    story = Story()
    story.status = formed(40)
    story.go_on(SETTLE_S + 5)
    story.status = formed(1)
    story.go_on(1)
    assert story.symptoms.row(1, story.now).is_away


def test_a_process_that_stood_still_blames_nobody() -> None:
    story = Story()
    story.go_on(SETTLE_S + 5)
    story.now += 10 * STALL_S
    story.go_on(0.2, delivers=False)
    assert not story.is_stuck()
    assert story.symptoms.silence(story.now) < 1
