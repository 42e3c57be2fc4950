"""Every fault of the list, F1 to F40: what is done, and what must hold. Read it as a table.

`in_ci`: part of `make test`. The others run in `make faults`, with the same judge and with the limits of the list.
"""

from tests.faults import hosts, neighbours, processes, wires
from tests.faults.fault import LEASE_ONLY_S, PLANNED_S, UNPLANNED_S, Absent, Fault, Scene
from tests.faults.processes import cores, corosyncs, everything, frozen, killed, supervisors, workers
from tests.faults.shape import Shape

FOUR, FIVE = Shape(nodes=4), Shape(nodes=5)
MANY, CROWD = Shape(vips=500, mature_s=5), Shape(vips=1000, mature_s=5)

LOCKTIME_S = 1.0
"""A neighbour believes no second claim for so long (arp(7), locktime)."""


def no_quorum_is_said(scene: Scene) -> str | None:
    """Every node says why nobody owns anything."""
    for name, node in scene.cluster.nodes.items():
        report = node.report()
        reasons = {vip["reason"].partition(": ")[2] for vip in report["vips"]} if report else set()
        if not reasons or not all(reason.startswith("no quorum") for reason in reasons):
            return f"{name} does not say that there is no quorum: {sorted(reasons)}"
    return None


FAULTS: tuple[Fault, ...] = (
    Fault("F1", "cable cut", wires.cut, UNPLANNED_S, wires.heal, is_hidden=True, in_ci=True),
    Fault("F1", "cable cut, 5 nodes", wires.cut, UNPLANNED_S, wires.heal, is_hidden=True, shape=FIVE),
    Fault("F1b", "only the bus is cut", wires.bus_cut, LEASE_ONLY_S, wires.mended, in_ci=True,
          substitute="the bus's port is filtered; there is one NIC"),
    Fault("F2", "switch port down", wires.port_down, UNPLANNED_S, wires.port_up, is_hidden=True, in_ci=True),
    Fault("F3", "link set down and up by hand", hosts.link_down_and_up(2.0), UNPLANNED_S, is_hidden=True),
    Fault("F4", "corosync killed", killed(corosyncs), UNPLANNED_S, in_ci=True),
    Fault("F5", "core killed", killed(cores), UNPLANNED_S, seconds=3, in_ci=True),
    Fault("F6", "supervisor and core killed", killed(supervisors, cores), LEASE_ONLY_S, in_ci=True),
    Fault("F7", "core frozen", frozen(cores, for_s=5), 1.0 + 0.2, in_ci=True),
    Fault("F7", "supervisor and core frozen for 5 s", frozen(supervisors, cores, for_s=5), None, in_ci=True),
    Fault("F8", "corosync frozen", frozen(corosyncs, for_s=5), LEASE_ONLY_S, seconds=7),
    Fault("F9", "everything frozen", frozen(everything, for_s=10), LEASE_ONLY_S, seconds=12,
          substitute="SIGSTOP to every process for the cgroup freezer"),
    Fault("F10", "stopped as a pod is deleted", processes.stop_node, PLANNED_S, processes.start_node, in_ci=True),
    Fault("F11", "stopped with 500 addresses", processes.stop_node, PLANNED_S, processes.start_node, shape=MANY,
          others_move=True, seconds=10),
    Fault("F12", "split 2 and 1", wires.split(2, 1), LEASE_ONLY_S, wires.mended),
    Fault("F12", "split 3 and 2, 5 nodes", wires.split(3, 2), LEASE_ONLY_S, wires.mended, others_move=True, shape=FIVE),
    Fault("F12", "split 2 and 2, 4 nodes", wires.split(2, 2), LEASE_ONLY_S, wires.mended, moves=(0, 1),
          others_move=True, shape=FOUR),
    Fault("F13", "split into single nodes", wires.split(1, 1, 1), None, wires.mended, moves=(0, 1), others_move=True,
          is_served=False, look=no_quorum_is_said, in_ci=True),
    # Twice: a ring without one end may form, and take over, before the other end leaves.
    Fault("F14", "nothing passes between a pair", wires.pair_blocked(one_way=False), 3.0, wires.mended, moves=(0, 2),
          others_move=True, seconds=10),
    Fault("F15", "nothing passes one way", wires.pair_blocked(one_way=True), 3.0, wires.mended, moves=(0, 2),
          others_move=True, seconds=10),
    Fault("F16", "flapping link, 1 Hz for 2 minutes", wires.flapping(120, 1.0), None, moves=(0, 2), others_move=True,
          is_hidden=True, seconds=125),
    Fault("F17", "1 % of all frames lost", wires.lossy(1, 20), UNPLANNED_S, moves=(0, 0), seconds=21),
    Fault("F17", "5 % of all frames lost", wires.lossy(5, 20), UNPLANNED_S, moves=(0, 0), seconds=21),
    Fault("F17", "10 % of all frames lost", wires.lossy(10, 20), None, moves=(0, 0), seconds=21),
    Fault("F17", "30 % of all frames lost", wires.lossy(30, 30), None, moves=(0, 1), others_move=True, seconds=36),
    Fault("F18", "4 busy loops on each processor", processes.busy(4, 20), None, moves=(0, 0), seconds=22),
    Fault("F19", "all start at once", processes.restart_all, 10.0, moves=(0, 1), others_move=True, seconds=14),
    Fault("F19", "all start one after the other", processes.restart_all_staggered, 12.0, moves=(0, 1),
          others_move=True, seconds=16),
    Fault("F20", "killed and started at once", processes.restart_at_once, LEASE_ONLY_S, seconds=7,
          substitute="no boot: the kernel, and so the address, stays"),
    Fault("F23", "one node has the new node list, the others not", hosts.half_listed, PLANNED_S, hosts.node_listed,
          moves=(0, 0)),
    Fault("F24", "bus key replaced on every node", hosts.new_key, PLANNED_S, moves=(0, 0)),
    Fault("F24", "a node with the old key returns", hosts.old_key_returns, UNPLANNED_S, hosts.key_delivered,
          look=hosts.alone_and_says_so, seconds=20),
    Fault("F25", "taken from the node list, and runs on", hosts.node_removed, LEASE_ONLY_S, hosts.node_listed),
    Fault("F26", "a stranger claims the address", hosts.strange_claims(20, 0.1), 2.0 + LOCKTIME_S + 0.5, moves=(0, 0),
          look=hosts.stranger_is_named, in_ci=True),
    Fault("F27", "somebody removes the addresses", hosts.address_removed, PLANNED_S, moves=(0, 0), in_ci=True),
    Fault("F29", "cable cut, neighbours in every state", neighbours.cut_before_neighbours, UNPLANNED_S, wires.heal,
          is_hidden=True, look=neighbours.neighbours_know),
    Fault("F31", "cable cut, 1,000 addresses", wires.cut, 1.5, wires.heal, is_hidden=True, shape=CROWD, seconds=10),
    Fault("F39", "all mail workers frozen", frozen(workers, for_s=5), 1.0 + 0.5, in_ci=True),
)  # fmt: skip

ABSENT: tuple[Absent, ...] = (
    Absent("F1", "cable cut, 8 and 16 nodes", "not possible here", "seven processes a node on two processors measure "
           "the processors; Corosync alone detects in 0.68 s with 8 and 0.77 s with 16 nodes on this class of machine"),
    Absent("F17", "delay, reordering, duplicates", "not possible here", "the kernel has no sch_netem"),
    Absent("F18", "memory pressure, stalled state disk", "not possible here", "no dm-delay, no memory cgroup"),
    Absent("F21", "joined and died in one sync (ghost)", "tested elsewhere", "tests/unit/test_bus_views.py; the "
           "window is too short to be hit on purpose on a real ring"),
    Absent("F22", "API server down", "tested elsewhere", "every fault here runs without one; "
           "tests/e2e/test_whole_story.py cuts a cable while it is away"),
    Absent("F28", "IPv6 rival, dadfailed left-over", "tested elsewhere", "tests/host/test_host_wire.py probes, "
           "test_host_leases.py plumbs with nodad and puts a left-over dadfailed there anew; every run here has IPv6"),
    Absent("F30", "long sessions across a move", "tested elsewhere", "in tests/host test_host_listeners.py: reset "
           "before the address goes; test_host_delivery_moves.py: nothing lost, twice only what was in doubt"),
    Absent("F31", "10,240 addresses", "not tested", "1,000 are"),
    Absent("F32", "nodes with different lists", "tested elsewhere", "tests/scenarios: broken.txt, two_claims.txt, "
           "unequal_participation.txt, candidates.txt"),
    Absent("F33", "clock steps", "not possible here", "namespaces do not separate CLOCK_REALTIME; nothing that decides "
           "can read it: tests/unit/test_import_contracts.py"),
    Absent("F34", "full disk, /dev/shm or log pipe, no descriptors", "tested elsewhere", "tests/host/"
           "test_host_full_disk.py; in tests/wire test_bus_shared_memory.py, test_bus_container.py and "
           "test_mail_descriptors.py"),
    Absent("F35", "a second Corosync on the host", "tested elsewhere", "tests/wire/test_bus_container.py: ours does "
           "not start beside it, and says why"),
    Absent("F36", "two clusters with one address", "tested elsewhere", "tests/unit/test_operator_refusals.py; "
           "on the wire, a host that is no member has it: tests/host/test_host_stranger.py"),
    Absent("F37", "mixed versions", "tested elsewhere", "tests/unit/test_duravip_versions.py: nodes that say more, "
           "and one that nobody understands; there is one version of messages so far"),
    Absent("F38", "soak", "tested elsewhere", "python -m tests.faults --soak MINUTES --seed N"),
    Absent("F40", "frozen between clock and renewal", "tested elsewhere", "tests/host/test_host_leases.py"),
)  # fmt: skip


def in_order() -> list[Fault | Absent]:
    """Both, by their number in the list."""
    return sorted((*FAULTS, *ABSENT), key=lambda entry: (int(entry.number.strip("Fb")), entry.number))
