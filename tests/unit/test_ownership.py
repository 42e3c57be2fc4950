"""What mail workers and administrators are told about who owns which address."""

from ipaddress import ip_address

from momentum_node.duravip.vip import Placement
from momentum_node.limits.authority import Authority
from momentum_node.limits.questions import described
from momentum_node.limits.rules import LimitRules
from momentum_node.mmove.owners import told
from momentum_node.ownership import Ownership
from momentum_node.worker_link import Members, Owned
from tests.support.configuration import loaded
from tests.support.machines import V1, alone

A, B, C = (ip_address(f"198.18.0.{last}") for last in (41, 42, 43))
LOADED = loaded("""
Binding "a" { Bind_Address = "198.18.0.41" Enable_Duravip = true }
Binding "b" { Bind_Address = "198.18.0.42" Enable_Duravip = true }
Binding "c" { Bind_Address = "198.18.0.43" Enable_Duravip = true }
Binding "fixed" { Bind_Address = "198.18.0.9" }
Cluster { Topology "198.18.0.0/24" { CidrMask = "32" Interface = "lo" } }
""")
BINDINGS = LOADED.node.bindings


class Machine:
    """A table of three members."""

    def __init__(self) -> None:
        self.owners_mark: object = 1
        self.state = "RUN"
        self.owner: dict[object, str | None] = {A: "n1", B: "n2", C: None}

    def placements(self) -> tuple[Placement, ...]:
        return tuple(Placement(one, owner, "so", False, ()) for one, owner in self.owner.items())  # type: ignore[arg-type]

    def members(self) -> tuple[tuple[str, int, bool, bool], ...]:
        return ("n1", 1, True, False), ("n2", 2, True, False), ("", 3, False, False)


def test_each_change_of_the_table_is_told_once_and_not_while_states_are_exchanged() -> None:
    said: list[tuple[Owned | Members, ...]] = []
    machine = Machine()
    ownership = Ownership("n1", said.append)
    for _ in range(2):
        ownership.look(machine)
    assert said == [told({"n1": [A], "n2": [B]}, ["n1", "n2"])]
    machine.owner[A], machine.owners_mark, machine.state = "n2", 2, "GATHER"
    ownership.look(machine)
    assert len(said) == 1
    machine.state = "RUN"
    ownership.look(machine)
    assert said[1:] == [told({"n2": [A, B]}, ["n1", "n2"])]
    ownership.look(None)
    assert said[2:] == [told({}, ["n1"])]


def test_an_administrator_hears_where_the_mail_of_a_binding_goes() -> None:
    ownership = Ownership("n1", lambda _view: None)
    ownership.look(Machine())
    assert [ownership.whereabouts(name, BINDINGS) for name in ("a", "fixed", "default", "unknown")] == [None] * 4
    assert ownership.whereabouts("b", BINDINGS) == "n2 owns 198.18.0.42: its mail is moved there"
    assert ownership.whereabouts("c", BINDINGS) == "nobody owns 198.18.0.43: its mail waits here"
    plain = Authority(LimitRules(LOADED.tree, LOADED.sources.place)).explain("b", "d.test", None, 0.0).plain()
    said = described({**plain, "whereabouts": ownership.whereabouts("b", BINDINGS)})
    assert "but n2 owns 198.18.0.42: its mail is moved there" in said.splitlines()
    assert "but" not in described({**plain, "whereabouts": None})


def test_an_address_that_is_put_up_changes_no_owner_and_is_not_looked_at_for_that() -> None:
    """With 1,000 addresses a look at all of them, for each of them, stopped the core for seconds."""
    one = alone()
    before = one.owners_mark, one.mark
    one.on_unplumbed((V1,), 5.0)
    assert (one.owners_mark == before[0], one.mark == before[1]) == (True, False)
