"""Which messages are in custody, where they wait, and when they come back to delivery."""

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address

from momentum_node.config.model import Binding
from momentum_node.config.model import Place as Written
from momentum_node.mmove.holdings import CHANGING_REST_S, Holdings
from momentum_node.mmove.lanes import MAX_BATCH_MESSAGES, WINDOW_MESSAGES, Key, Lane
from momentum_node.mmove.owners import CHUNK, BindingOwners, Hearing, told
from momentum_node.mmove.plan import DOUBT_PATIENCE_S, LOOK_AGAIN_S, Allowance, Owners
from momentum_node.mmove.terms import PORT, Terms, cluster_port, terms_of
from momentum_node.spool.marks import LOOP_WINDOW_S, Mark, State, offered
from momentum_node.spool.message import Envelope, Message, Place, Stored
from momentum_node.worker_link import Members, Owned
from tests.support.configuration import loaded

NOW = 5000.0
ALL = frozenset({"n1", "n2", "n3"})
HELD = Mark("a", 1.0, State.HELD, 0)


def message(name: str = "a", binding: str = "moving", stored: Stored | None = None) -> Message:
    place = stored or Stored(Place(0, 0, 0, 0), None, {name}, 1)
    return Message(name, Envelope(1.0, "s@a.test", 9), "r@b.test", binding, "b.test", place, 0)


class World:
    """Holdings of n1, and what came back from them."""

    def __init__(self, owner: str | None = "n2", members: frozenset[str] = ALL) -> None:
        self.marks: dict[str, Mark] = {}
        self.changing: set[str] = set()
        self.released: list[str] = []
        self.looping: list[str] = []
        self.holdings = Holdings(
            lambda one: self.marks.get(one.id),
            lambda one: one.id in self.changing,
            lambda one: self.released.append(one.id),
            lambda one: self.looping.append(one.id),
        )
        self.view(owner, members)

    def view(self, owner: str | None, members: frozenset[str] = ALL) -> None:
        self.holdings.heed(Owners("n1", members, {"moving": owner}))
        assert self.holdings.sort(1000, NOW)

    def take(self, node: str = "n2", allowance: Allowance | None = None, now: float = NOW) -> list[str]:
        lane = self.holdings.lane(0, node)
        return [one.id for one in self.holdings.take(lane, allowance, now)]


def test_only_mail_of_other_nodes_is_taken_into_custody() -> None:
    world = World()
    assert world.holdings.keeps(message(), NOW)
    assert not world.holdings.keeps(message("b", "fixed"), NOW)
    assert world.holdings.queues(NOW) == [("#mmove", "n2", 1, NOW - 1.0)]
    assert (world.holdings.moving, world.take()) == (1, ["a"])
    assert world.holdings.queues(NOW) == [("#mmove", "n2", 1, 0.0)]  # under way
    for owner, members in (("n1", ALL), (None, ALL), ("n2", frozenset({"n1"}))):
        world = World(owner, members)
        assert not world.holdings.is_elsewhere("moving")
        assert not world.holdings.keeps(message(), NOW)  # it waits in its queue, and nothing is delivered from there


def test_where_nothing_moves_by_order_mail_grows_old_in_its_queue() -> None:
    world = World()
    world.marks["doubtful"] = offered(replace(HELD, id="doubtful"), "n2", NOW)
    assert world.holdings.keeps(message(), NOW)
    world.holdings.is_suspended = True
    world.view("n2")
    assert world.released == ["a"]
    assert not world.holdings.keeps(message("b"), NOW)
    assert world.holdings.keeps(message("doubtful"), NOW)  # n2 may have it
    world.holdings.is_suspended = False
    assert world.holdings.keeps(message("b"), NOW)


def test_before_the_first_view_only_doubtful_mail_is_kept_back() -> None:
    world = World()
    world.holdings.owners = None
    world.marks["a"] = offered(HELD, "n2", NOW)
    assert not world.holdings.keeps(message("b"), NOW)
    assert world.holdings.keeps(message(), NOW)
    world.view("n1")
    assert world.take() == ["a"]  # although its binding is ours: n2 says what became of it


def test_mail_comes_home_with_its_address() -> None:
    world = World()
    for name in "abc":
        world.holdings.keeps(message(name), NOW)
    assert world.take() == ["a"]
    world.view("n1")
    assert world.released == ["b", "c"]
    world.holdings.put_back(message(), NOW)  # the session was lost before anything was offered
    assert world.released == ["b", "c", "a"]


def test_a_view_sends_what_waits_for_one_node_to_another() -> None:
    world = World()
    world.holdings.keeps(message(), NOW)
    world.view("n3")
    assert (world.take("n2"), world.take("n3")) == ([], ["a"])


def test_a_message_that_belongs_elsewhere_when_its_turn_comes_is_not_sent() -> None:
    world = World()
    for name in "ab":
        world.holdings.keeps(message(name), NOW)
    world.marks["a"] = offered(HELD, "n3", NOW)
    world.changing.add("b")
    assert world.take() == []
    assert world.take("n3") == ["a"]
    assert world.holdings.held == 1
    world.changing.clear()
    world.holdings.look(NOW + CHANGING_REST_S)
    assert world.take() == ["b"]


def test_doubtful_mail_waits_for_the_node_that_may_have_it() -> None:
    world = World("n1", frozenset({"n1", "n2"}))
    world.marks["a"] = offered(HELD, "n3", NOW)
    assert world.holdings.keeps(message(), NOW)
    assert (world.holdings.held, world.released) == (1, [])
    world.holdings.look(NOW + LOOK_AGAIN_S)
    assert world.holdings.held == 1
    world.holdings.look(NOW + LOOK_AGAIN_S + DOUBT_PATIENCE_S)
    assert world.released == ["a"]


def test_mail_that_goes_round_is_held_for_a_minute_and_told() -> None:
    world = World()
    one = message()
    one.trail = tuple(NOW - 6 + number for number in range(6))
    assert world.holdings.keeps(one, NOW)
    assert (world.looping, world.holdings.held, world.take()) == (["a"], 1, [])
    world.holdings.look(NOW + LOOP_WINDOW_S)
    assert world.take(now=NOW + LOOP_WINDOW_S) == ["a"]


def test_messages_with_one_body_go_together_and_new_ones_at_their_rate() -> None:
    world = World()
    shared = Stored(Place(0, 0, 0, 0), None, set(), 3)
    for name in "ab":
        world.holdings.keeps(message(name, stored=shared), NOW)
    world.holdings.keeps(message("c"), NOW)
    for name in "xyz":
        world.holdings.keeps(message(name), NOW, is_new=True)
    allowance = Allowance(2, NOW)
    taken = [world.take(allowance=allowance) for _ in range(5)]
    assert taken == [["a", "b"], ["c"], ["x"], ["y"], []]
    assert world.take(allowance=allowance, now=NOW + 0.6) == ["z"]


def has_room(lane: Lane) -> bool:
    return lane.has_room


def test_a_lane_has_room_for_a_window_and_rests_ever_longer() -> None:
    lane = Lane(Key(0, "n2"))
    shared = Stored(Place(0, 0, 0, 0), None, set(), 3)
    for number in range(MAX_BATCH_MESSAGES + 1):
        lane.put(message(str(number), stored=shared), is_new=False)
    batch = lane.take(lane.moved)
    assert (len(batch), lane.waiting) == (MAX_BATCH_MESSAGES, 1)
    while has_room(lane):
        lane.began(batch)
    assert lane.under_way == WINDOW_MESSAGES
    lane.ended(MAX_BATCH_MESSAGES, 9)
    assert has_room(lane)
    rests = []
    now = NOW
    for _ in range(8):
        lane.failed(now)
        lane.failed(now)  # many messages of one lost session: once
        rests.append(lane.rest_until - now)
        now = lane.rest_until
    assert rests == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_view_survives_its_frames() -> None:
    many = [ip_address(f"2001:db8::{number:x}") for number in range(CHUNK + 1)]
    owned: Mapping[str, list[object]] = {"n1": [ip_address("198.18.0.41")], "n2": [*many]}
    hearing = Hearing()
    *frames, last = told(owned, ALL)  # type: ignore[arg-type]
    assert last == Members(("n1", "n2", "n3"))
    for frame in frames:
        assert isinstance(frame, Owned)
        hearing.owned(frame)
    owner = hearing.complete()
    assert len(owner) == CHUNK + 2
    assert hearing.complete() == {}  # nothing is left for the next view
    nowhere = Written("main.conf", 1, 1)
    bindings = {
        "b1": Binding("b1", ip_address("198.18.0.41"), True, None, nowhere),
        "b2": Binding("b2", many[5], True, None, nowhere),
        "b3": Binding("b3", ip_address("198.18.0.99"), True, None, nowhere),
        "fixed": Binding("fixed", ip_address("198.18.0.41"), False, None, nowhere),
    }
    assert dict(BindingOwners(bindings, owner)) == {"b1": "n1", "b2": "n2", "b3": None}
    assert BindingOwners(bindings, owner).get("fixed", "here") == "here"


def test_the_configuration_says_where_and_how_fast() -> None:
    assert terms_of(loaded("").tree) == Terms()
    assert cluster_port(loaded("").tree) == PORT
    text = """
    Suspend_Delivery = true
    Cluster { Mmove_Max_Connections = 3 Mmove_Throttle_Messages = 120/60 }
    ECCluster_Listener { Listen "*:4900" { } }
    """
    assert terms_of(loaded(text).tree) == Terms(3, 2.0, is_suspended=True)
    assert cluster_port(loaded(text).tree) == 4900
