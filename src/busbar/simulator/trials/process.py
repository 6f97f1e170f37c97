"""One life of Busbar's process: the depot's loop and the central system, from start to stop or kill."""

import asyncio
from collections.abc import Callable
from itertools import count
from random import Random
from typing import Any, Protocol, cast

from busbar.adapters.ocpp.listening import Listening, Proof
from busbar.adapters.ocpp.messages import Version
from busbar.adapters.ocpp.quirks import QuirkTable
from busbar.adapters.ocpp.switchboard import Switchboard
from busbar.adapters.ocpp.v16 import Version16
from busbar.adapters.ocpp.v201 import Version201
from busbar.core.depot import Depot
from busbar.core.errors import BusbarError
from busbar.engine.events import Event
from busbar.engine.loop import DepotLoop
from busbar.engine.orders import Order
from busbar.engine.ports import ChargePointRecords, ChargePoints, Store
from busbar.engine.timing import Timing
from busbar.simulator.trials.links import Link, Wire
from busbar.simulator.trials.made_time import MadeClock
from busbar.simulator.trials.notes import Notes
from busbar.simulator.trials.store import Disk, DiskStore


class OrderWatcher(Protocol):
    """Who looks at every order before it leaves."""

    def ordered(self, order: Order) -> None:
        """It leaves now."""
        ...


class _Watched:
    """The port `ChargePoints`, looked at."""

    def __init__(self, switchboard: Switchboard, touched: Callable[[], bool], watcher: OrderWatcher) -> None:
        self._switchboard, self._touched, self._watcher = switchboard, touched, watcher

    def serve_depot(self, depot: Depot) -> None:
        self._switchboard.serve_depot(depot)

    def send(self, order: Order) -> None:
        if self._touched():
            self._watcher.ordered(order)
            self._switchboard.send(order)

    def disconnect(self, depot_id: str, charge_point: str, *, refuse_for_s: float = 0.0) -> None:
        if self._touched():
            self._switchboard.disconnect(depot_id, charge_point, refuse_for_s=refuse_for_s)


class Process:
    """Busbar, once. A new life is a new object; what was kept is in the stores."""

    def __init__(
        self,
        depot: Depot,
        *,
        life: int,
        store: Store,
        records: ChargePointRecords,
        disk: Disk,
        clock: MadeClock,
        timing: Timing,
        keep_days: float,
        quirks: QuirkTable,
        random: Random,
        notes: Notes,
        watcher: OrderWatcher,
    ) -> None:
        self.is_alive = True
        self.began_s = clock.now_s()
        self.events = 0
        """What it has done or heard so far: frames, orders, calls of the store."""
        self.dies_at: int | None = None
        """It is killed when it has done so much."""
        self.on_killed: Callable[[], None] = lambda: None
        self._clock = clock
        self._wires: dict[Wire, None] = {}
        kept = DiskStore(store, disk, touched=self.touched)
        log = notes.of("busbar", life)
        self.switchboard = Switchboard(
            Listening(proof=Proof.NOTHING),
            wires=self._wires.keys(),
            records=cast(ChargePointRecords, DiskStore(records, disk, touched=self.touched)),
            inbox=self._put,
            timing=timing,
            quirks=quirks,
            clock=clock,
            random=random,
            log=log,
        )
        numbers = count(1)
        self.loop = DepotLoop(
            depot,
            store=cast(Store, kept),
            charge_points=cast(ChargePoints, _Watched(self.switchboard, self.touched, watcher)),
            clock=clock,
            timing=timing,
            order_ids=lambda: f"{life}-{next(numbers)}",
            log=log,
            keep_days=keep_days,
        )
        self._tasks: list[asyncio.Task[Any]] = []

    def start(self) -> None:
        """Serve the depot."""
        self.switchboard.serve_depot(self.loop.control.stored_depot)
        self.switchboard.start()
        self._tasks.append(asyncio.get_running_loop().create_task(self._run()))

    async def _run(self) -> None:
        try:
            await self.loop.run()
        except BusbarError:
            # The service ends with it; whoever supervises it starts it again.
            self.kill()

    def touched(self) -> bool:
        """Something is done or heard; whether the process lives to see it."""
        if self.is_alive:
            self.events += 1
            if self.dies_at is not None and self.events >= self.dies_at:
                self.kill()
        return self.is_alive

    def kill(self) -> None:
        """Gone between one instruction and the next: connections break, nothing is tidied up."""
        if not self.is_alive:
            return
        self.is_alive = False
        for wire in list(self._wires):
            # Its session goes with the process, and says nothing more to anybody.
            wire.session = None
            wire.drop()
        asyncio.get_running_loop().call_soon(self._bury)
        self.on_killed()

    def _bury(self) -> None:
        for task in (*self._tasks, *self.switchboard.exchange.running(), *self.loop.keeping.running()):
            task.cancel()

    # The door

    def let_in(self, link: Link, wire: Wire) -> bool:
        """Take a new connection, or turn it away."""
        station = self.switchboard.directory.station(self.loop.depot_id, link.station.id)
        served = self.switchboard.directory.served(self.loop.depot_id)
        if not self.touched() or station is None or served is None or not served.is_loaded.is_set():
            return False
        if station.refused_until_s > self._clock.now_s():
            return False
        self._wires[wire] = None
        protocol = link.station.speech.subprotocol
        version: Version = Version16() if protocol == "ocpp1.6" else Version201(protocol)
        self._tasks.append(asyncio.get_running_loop().create_task(self.switchboard.serve(station, version, wire)))
        self._tasks = [task for task in self._tasks if not task.done()]
        return True

    def forget(self, wire: Wire) -> None:
        """That wire carries nothing any more."""
        self._wires.pop(wire, None)

    def put(self, event: Event) -> None:
        """What a meter says."""
        if self.is_alive:
            self.loop.put(event)

    def _put(self, depot_id: str, event: Event) -> None:
        if self.is_alive:
            self.loop.put(event)
