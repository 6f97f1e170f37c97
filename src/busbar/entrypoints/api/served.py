"""What the HTTP interface needs of the running service; it knows the service by this protocol alone."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from busbar.engine.access import AccessRecords
from busbar.engine.broadcast import Broadcast
from busbar.engine.events import Event
from busbar.engine.figures import Figures as Figures
from busbar.engine.moment import Moment
from busbar.engine.ports import Store


class Served(Protocol):
    """The running service."""

    store: Store
    access: AccessRecords
    broadcast: Broadcast
    """Tells of every depot: `moment` (document: its sequence number; ask `moment()` for it), `cycle` (CycleRecord),
    `breach` ((BreachChange, BreachRecord)), `mode` (dict), `alarm` (Alarm)."""

    def depots(self) -> Sequence[str]:
        """The depots served, sorted."""
        ...

    def moment(self, depot_id: str) -> Moment | None:
        """A depot as its last cycle left it; None: there is no such depot, or no cycle yet."""
        ...

    def figures(self, depot_id: str) -> Figures:
        """What its loop has counted. Raises KeyError."""
        ...

    def wake(self, depot_id: str) -> None:
        """Something was written: let its loop look at once."""
        ...

    def health(self) -> Mapping[str, Any]:
        """Whether every depot's loop runs, and how late its last cycle is."""
        ...

    def metered_nodes(self, depot_id: str) -> frozenset[str] | None:
        """Nodes whose meter values are pushed; None: there is no such depot."""
        ...

    async def is_meter(self, depot_id: str, node: str, secret: str) -> bool:
        """Whether that is the secret of the meter of that node. Raises BusyError, BusbarError."""
        ...

    def put(self, depot_id: str, event: Event) -> None:
        """An event of a depot. Never waits."""
        ...
