"""What a story asks: owners, reasons, tags, what would be if some died. The answers are lines of its outcome."""

from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.story import Cluster


class Questions:
    """The asking half of a `Story`."""

    cluster: "Cluster"

    def do_tags(self, *vips: str) -> None:
        for vip in vips:
            placement = self.cluster.placement(ip_address(vip))
            self.cluster.lines.append(f"  {vip}: {', '.join(placement.tags) or 'none'}")

    def do_alarms(self) -> None:
        machine = self.cluster.nodes[self.cluster.up()[0]].machine
        assert machine is not None
        self.cluster.lines += [f"  {alarm}" for alarm in machine.alarms()]

    def do_whatif(self, *gone: str) -> None:
        """Where everything would be if these died now."""
        machine = self.cluster.nodes[self.cluster.up()[0]].machine
        assert machine is not None
        self.cluster.lines += [f"  {placement.reason}" for placement in machine.what_if(gone)]

    def do_owners(self, *names: str) -> None:
        """The tables: one line for nodes that agree."""
        for name in names or self.cluster.up():
            line = self.cluster.owners(name)
            if f"  {line}" not in self.cluster.lines:
                self.cluster.lines.append(f"  {line}")

    def do_why(self, vip: str) -> None:
        self.cluster.lines.append(f"  {self.cluster.reason(ip_address(vip))}")

    def do_state(self, name: str) -> None:
        machine = self.cluster.nodes[name].machine
        assert machine is not None
        have, of, is_quorate = machine.quorum()
        drained = ", drained" if machine.is_drained else ""
        self.cluster.lines.append(
            f"  {name} {machine.state}{drained}, {have} of {of}{'' if is_quorate else ', no quorum'}"
        )
