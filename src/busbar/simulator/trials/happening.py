"""Events and faults, done to the depot when their time comes, and undone when it is over."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Protocol

from busbar.core.depot import Depot
from busbar.core.depot_rules import check_depot
from busbar.core.errors import BusbarError
from busbar.core.snapshot import Mode
from busbar.core.units import ActivePower, Amount, Current
from busbar.engine.ports import Envelope, OverrideKind, Store
from busbar.simulator.fault import FaultEvent, FaultKind
from busbar.simulator.scenario import (
    CapacityEvent,
    EnvelopeEvent,
    Event,
    ModeEvent,
    OutOfReachEvent,
    Span,
    with_capacity,
)
from busbar.simulator.stations.behaviours import BEHAVIOURS, HONEST, Behaviour
from busbar.simulator.stations.profiles import Limit
from busbar.simulator.stations.speech import Reason
from busbar.simulator.trials.line import SiteClock
from busbar.simulator.trials.meters import Meter
from busbar.simulator.trials.notes import Notes
from busbar.simulator.trials.store import Disk
from busbar.simulator.trials.yard import Unit, Yard

MESSAGES = frozenset(
    (
        FaultKind.MESSAGE_LOST,
        FaultKind.MESSAGE_DELAYED,
        FaultKind.MESSAGE_DUPLICATED,
        FaultKind.MESSAGE_REORDERED,
        FaultKind.ANSWER_LATE,
        FaultKind.ANSWER_NEVER,
    )
)
METERS = frozenset(kind for kind in FaultKind if kind.value.startswith("meter_"))
REBOOTS = frozenset(kind for kind in FaultKind if kind.value.startswith("reboot_"))
BEHAVIOURAL = frozenset(
    (
        FaultKind.IGNORED,
        FaultKind.REFUSED,
        FaultKind.RAMPS_SLOWLY,
        FaultKind.DRAWS_MORE,
        FaultKind.OPERATOR_OVERRIDE,
    )
)
FLAPS_S = (8.0, 30.0)
REBOOTS_S = 5.0
"""Off for so long, where the fault does not say."""
ALONE_S = 45.0
"""How long one that forgot everything finds nobody to ask: it starts by itself, at its rating."""


class Site(Protocol):
    """What events and faults are done to."""

    depot_id: str

    @property
    def yard(self) -> Yard:
        """Everything physical."""
        ...

    @property
    def meters(self) -> Mapping[str, Meter]:
        """By node."""
        ...

    @property
    def disk(self) -> Disk:
        """How the disk does."""
        ...

    @property
    def clock(self) -> SiteClock:
        """The time there."""
        ...

    @property
    def people(self) -> Store:
        """The store as people write to it, from another process."""
        ...

    def kill_at(self, nth: int, restart_s: float) -> None:
        """Busbar dies at the nth thing it does or hears from now on, and is started again so long after."""
        ...


class Happenings:
    """Every event of one trial. `begin` and `end` are called at the second their span says."""

    def __init__(self, site: "Site", notes: Notes, random: Any) -> None:
        self._site, self._notes, self._random = site, notes, random
        self._flaps: dict[int, bool] = {}
        self._envelope_of: dict[int, int] = {}
        self._capacity_before: dict[int, Amount] = {}

    async def begin(self, number: int, event: Event | FaultEvent) -> None:
        """Its first second."""
        self._notes.line("world", f"begin {number} {describe(event)}")
        match event:
            case FaultEvent():
                await self._begin_fault(number, event)
            case EnvelopeEvent():
                await self._give_envelope(number, event.node, event.limit, event.span)
            case CapacityEvent():
                await self._edit_capacity(number, event.node, event.limit)
            case ModeEvent(node=node, mode=Mode.SAFE):
                await self._site.people.add_override(
                    self._site.depot_id,
                    kind=OverrideKind.SAFE,
                    subject=node,
                    by="scenario",
                    reason=event.note,
                    at=self._site.clock.now(),
                )
            case OutOfReachEvent(node=node):
                self._site.yard.units[node].link.cut()
            case _:
                pass

    async def end(self, number: int, event: Event | FaultEvent) -> None:
        """The second after its last."""
        self._notes.line("world", f"end {number}")
        match event:
            case FaultEvent():
                await self._end_fault(number, event)
            case CapacityEvent():
                await self._restore_capacity(number, event.node)
            case ModeEvent(node=node, mode=Mode.SAFE):
                await self._site.people.end_override(
                    self._site.depot_id, kind=OverrideKind.SAFE, subject=node, by="scenario", at=self._site.clock.now()
                )
            case OutOfReachEvent(node=node):
                self._site.yard.units[node].link.mend()
            case _:
                pass

    # Faults

    def _struck(self, fault: FaultEvent) -> list[Unit]:
        units = self._site.yard.units
        return list(units.values()) if fault.node is None else [units[fault.node]]

    async def _begin_fault(self, number: int, fault: FaultEvent) -> None:
        site, kind = self._site, fault.kind
        if kind in MESSAGES:
            for unit in self._struck(fault):
                unit.link.weather.faults[number] = fault
        elif kind in METERS:
            assert fault.node is not None
            site.meters[fault.node].faults[number] = fault
        elif kind in REBOOTS:
            for unit in self._struck(fault):
                self._reboot(unit, fault)
        elif kind in BEHAVIOURAL:
            for unit in self._struck(fault):
                unit.behaviours[number] = _behaviour(fault)
                unit.behave(site.clock.true_s)
        else:
            await self._begin_other(number, fault)

    async def _begin_other(self, number: int, fault: FaultEvent) -> None:
        site = self._site
        match fault.kind:
            case FaultKind.CONNECTION_DROPPED | FaultKind.PROFILE_EXPIRED:
                for unit in self._struck(fault):
                    unit.link.cut()
            case FaultKind.CONNECTION_HALF_OPEN:
                for unit in self._struck(fault):
                    unit.link.fall_silent()
            case FaultKind.CONNECTION_FLAPPING:
                self._flaps[number] = True
                for unit in self._struck(fault):
                    self._flap(number, unit)
            case FaultKind.BASE_LOAD_STEP:
                assert fault.node is not None
                assert fault.amount is not None
                site.yard.more_base[number] = (fault.node, fault.amount)
                site.yard.base_changed()
            case FaultKind.LIMIT_CUT:
                assert fault.node is not None
                assert fault.amount is not None
                await self._edit_capacity(number, fault.node, fault.amount)
            case FaultKind.ENVELOPE_LAPSES:
                assert fault.node is not None
                assert fault.amount is not None
                await self._give_envelope(number, fault.node, fault.amount, fault.span)
            case FaultKind.CLOCK_STEP if fault.node is None:
                site.clock.ahead_s += fault.step_s
            case FaultKind.CLOCK_STEP:
                self._step_clock(fault, fault.step_s)
            case FaultKind.STORE_FAILS:
                site.disk.fails = fault.share
            case FaultKind.STORE_SLOW:
                site.disk.slow_s = fault.delay_s
            case FaultKind.PROCESS_KILLED:
                down_s = fault.span.until_s - fault.span.from_s
                site.kill_at(fault.nth, float(min(down_s, 600)))
            case FaultKind.DEPOT_EDITED:
                await self._edit(is_valid=True)
            case FaultKind.DEPOT_EDITED_WRONGLY:
                await self._edit(is_valid=False)
            case _:
                raise AssertionError(fault.kind)

    async def _end_fault(self, number: int, fault: FaultEvent) -> None:
        site, kind = self._site, fault.kind
        if kind in MESSAGES:
            for unit in self._struck(fault):
                unit.link.weather.faults.pop(number, None)
        elif kind in METERS:
            assert fault.node is not None
            site.meters[fault.node].faults.pop(number, None)
        elif kind in BEHAVIOURAL:
            for unit in self._struck(fault):
                unit.behaviours.pop(number, None)
                unit.behave(site.clock.true_s)
        match kind:
            case FaultKind.CONNECTION_DROPPED | FaultKind.PROFILE_EXPIRED:
                for unit in self._struck(fault):
                    unit.link.mend()
            case FaultKind.CONNECTION_FLAPPING:
                self._flaps[number] = False
            case FaultKind.BASE_LOAD_STEP:
                site.yard.more_base.pop(number, None)
                site.yard.base_changed()
            case FaultKind.LIMIT_CUT:
                assert fault.node is not None
                await self._restore_capacity(number, fault.node)
            case FaultKind.CLOCK_STEP if fault.node is None:
                site.clock.ahead_s -= fault.step_s
            case FaultKind.CLOCK_STEP:
                self._step_clock(fault, -fault.step_s)
            case FaultKind.STORE_FAILS:
                site.disk.fails = 0.0
            case FaultKind.STORE_SLOW:
                site.disk.slow_s = 0.0
            case _:
                pass

    def _step_clock(self, fault: FaultEvent, step_s: int) -> None:
        """At a charge point: it takes nobody's time for its own until the fault is over."""
        for unit in self._struck(fault):
            station = unit.link.station
            station.set_clock(station.charger.clock_ahead_s + step_s, self._site.clock.true_s)
            self._site.yard.clock_set(unit)
            unit.link.poke()

    def _flap(self, number: int, unit: Unit) -> None:
        if self._flaps.get(number):
            unit.link.break_off()
            asyncio.get_running_loop().call_later(self._random.uniform(*FLAPS_S), self._flap, number, unit)

    def _reboot(self, unit: Unit, fault: FaultEvent) -> None:
        station, true_s = unit.link.station, self._site.clock.true_s
        off_s = min(float(fault.span.until_s - fault.span.from_s), 120.0) or REBOOTS_S
        if fault.kind is FaultKind.REBOOT_KEEPING_PROFILES:
            station.lose_supply(true_s, for_s=off_s)
        else:
            forgets = fault.kind in (FaultKind.REBOOT_TO_RATING, FaultKind.REBOOT_LOSING_PROFILES)
            before = station.behaviour
            if forgets:
                station.behave(replace(before, forgets=True), true_s)
                unit.has_forgotten |= set(unit.leaves)
            station.lose_power(true_s, for_s=off_s, reason=Reason.POWER_LOST)
            if forgets:
                station.behave(before, true_s)
            if fault.kind is FaultKind.REBOOT_TO_RATING:
                unit.link.cut()
                asyncio.get_running_loop().call_later(off_s + ALONE_S, unit.link.mend)
        unit.link.poke()

    # What people do

    async def _give_envelope(self, number: int, node: str, amount: Amount, span: Span) -> None:
        site = self._site
        now = site.clock.now()
        kept = await site.people.add_envelope(
            site.depot_id,
            Envelope(
                id=0,
                node=node,
                amount=amount,
                starts_at=now,
                ends_at=None if span.until_s > 10**8 else now + timedelta(seconds=span.until_s - span.from_s),
                by="utility",
                at=now,
            ),
        )
        self._envelope_of[number] = kept.id

    async def _edit_capacity(self, number: int, node: str, limit: Amount) -> None:
        depot = await self._depot()
        before = next(each for each in depot.circuits if each.id == node)
        self._capacity_before.setdefault(number, before.default_operating_capacity)
        await self._import(with_capacity(depot, node, limit))

    async def _restore_capacity(self, number: int, node: str) -> None:
        before = self._capacity_before.pop(number, None)
        if before is not None:
            await self._import(with_capacity(await self._depot(), node, before))

    async def _edit(self, *, is_valid: bool) -> None:
        """Turn the strategy, or ask for a capacity below the safe one, which is refused whole."""
        depot = await self._depot()
        if is_valid:
            names = ("equal_share", "first_come", "priority", "lowest_soc")
            turn = names.index(depot.strategy) + 1 if depot.strategy in names else 0
            await self._import(replace(depot, strategy=names[turn % len(names)]))
            return
        first = depot.circuits[0]
        await self._import(replace(depot, circuits=(replace(first, parent=first.id), *depot.circuits[1:])))

    async def _depot(self) -> Depot:
        depot = await self._site.people.load_depot(self._site.depot_id)
        assert depot is not None
        return depot

    async def _import(self, depot: Depot) -> None:
        """As `busbar import` does: checked, and refused whole where anything is wrong."""
        problems = check_depot(depot)
        if problems:
            self._notes.line("people", f"edit refused: {problems[0].path} {problems[0].rule}")
            return
        await self._site.people.import_depot(depot, at=self._site.clock.now())
        self._notes.line("people", "edit stored")


def describe(event: Event | FaultEvent) -> str:
    """One line for people and for the digest."""
    if isinstance(event, FaultEvent):
        return f"{event.kind.value} {event.node or ''} {event.amount or ''}".strip()
    return f"{type(event).__name__} {event.node}"


def _behaviour(fault: FaultEvent) -> Behaviour:
    match fault.kind:
        case FaultKind.IGNORED:
            return BEHAVIOURS["deaf"]
        case FaultKind.REFUSED:
            return BEHAVIOURS["refusing"]
        case FaultKind.RAMPS_SLOWLY:
            return replace(HONEST, ramp_times=fault.factor)
        case FaultKind.DRAWS_MORE:
            return replace(HONEST, heeds=lambda limit, is_ac: _more(limit, fault.factor))
        case _:
            own = _whole(fault.amount)
            return replace(HONEST, heeds=lambda limit, is_ac: own)


def _more(limit: Limit, factor: float) -> Limit:
    return None if limit is None else int(limit * factor)


def _whole(amount: Amount | None) -> int:
    match amount:
        case ActivePower(w=w):
            return w
        case Current():
            return max(each or 0 for each in amount.per_phase_ma())
        case _:
            raise BusbarError("Somebody at a charge point sets amperes or kW.")
