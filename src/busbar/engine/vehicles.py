"""Who is where, and what they want: vehicles as events, the store and people's plans tell of them."""

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from busbar.core.demand import Demand, Reach, Reason, Sight, Standing, estimate, unknown_demand
from busbar.core.projection import Projection
from busbar.core.snapshot import Session
from busbar.engine.events import (
    ConnectorState,
    Disconnected,
    Event,
    Measured,
    Ready,
    StateChanged,
    VehicleArrived,
    VehicleLeft,
)
from busbar.engine.moment import Plugged
from busbar.engine.ports import Plan

ROOM_KEPT = timedelta(minutes=30)
"""Full vehicles are offered nothing for so long after somebody last waited for room, or the depot would swing."""
SAME_ARRIVAL = timedelta(seconds=2)
"""Arrivals on one connector this close together are the same vehicle, told twice."""
UNCONFIRMED_S = 120.0
"""Whoever only the store has told of is taken for gone where its charge point has been back for so long, a lease, and
has not spoken of it: it may have told the process before that the session ended, which could not store it any more."""

_STANDINGS = {
    ConnectorState.FREE: Standing.UNUSABLE,
    ConnectorState.OCCUPIED: Standing.UNKNOWN,
    ConnectorState.CHARGING: Standing.CHARGING,
    ConnectorState.PAUSED_BY_VEHICLE: Standing.RESTING,
    ConnectorState.PAUSED_BY_CHARGE_POINT: Standing.WITHHELD,
    ConnectorState.FINISHING: Standing.FINISHED,
    ConnectorState.UNAVAILABLE: Standing.UNUSABLE,
    ConnectorState.FAULTED: Standing.UNUSABLE,
}


@dataclass(slots=True)
class _Stay:
    """One vehicle on one connector. (Mutable: it follows events.)"""

    session: Session
    """As the last cycle left it, with what is known now."""
    reach: Reach | None = None
    """None: the depot has no such connector (any more)."""
    demand: Demand | None = None
    is_confirmed: bool = True
    """False: only the store has told of it so far."""
    gone_at_s: float | None = None
    """When it is taken for gone, unless it is confirmed; None: its charge point is not back yet."""
    id_tag: str | None = None
    vehicle: str | None = None
    standing: Standing = Standing.UNKNOWN
    given: int | None = None
    is_settled: bool = False
    draw: int | None = None
    sampled_s: float | None = None
    soc: float | None = None
    register_wh: int | None = None
    charged_wh: int = 0
    """Since it arrived, as far as its register was seen."""
    needs_wh: int | None = None
    """When it arrived; for one that only the store told of: when it was stored last."""
    is_needs_stored: bool = False
    """Whether `needs_wh` is what was left when it was stored, and not yet a plan's."""
    is_changed: bool = True
    """Whether its demand has to be estimated anew."""

    @property
    def connector(self) -> str:
        return self.session.connector

    def look(self, now_s: float) -> bool:
        """Estimate anew; whether the request or its reason changed."""
        self.is_changed = False
        if self.reach is None or self.demand is None:
            return False
        sight = Sight(
            now_s=now_s,
            standing=self.standing,
            given=self.given,
            is_settled=self.is_settled,
            draw=self.draw,
            sampled_s=self.sampled_s,
            soc=self.soc,
        )
        before, self.demand = self.demand, estimate(self.demand, sight, self.reach)
        return before.request != self.demand.request or before.reason is not self.demand.reason


class Vehicles:
    """The vehicles of one depot. Estimates are made where a sample arrives, and once a cycle where something changed.

    Before a cycle: `take` what happened, then `given`, then `sessions`. After it: `remember`. After a restart requests
    begin at the rating again; arrivals, and who has had a turn, are kept.
    """

    def __init__(self, projection: Projection) -> None:
        self._projection = projection
        self._stays: dict[str, _Stay] = {}
        self._unconfirmed: dict[str, list[_Stay]] = {}
        """By charge point, those that only the store has told of, as of the last cycle."""
        self._states: dict[str, ConnectorState] = {}
        self._draws: dict[str, Measured] = {}
        self._held: frozenset[str] = frozenset()
        self._plans: dict[str, Plan] | None = None
        self._plans_told: tuple[Plan, ...] = ()
        self._is_somebody_waiting = False
        self._crowded_at: datetime | None = None
        self._present: list[_Stay] | None = None
        self._told: tuple[bool, tuple[Session, ...]] | None = None

    # What is known from elsewhere

    def restore(self, sessions: Iterable[Session], at: datetime) -> None:
        """The vehicles that were there when an earlier process ended; they stay until somebody says they left."""
        for session in sessions:
            if session.waiting_since is not None:
                self._crowded_at = at
            stay = _Stay(session=session, is_confirmed=False)
            stay.soc, stay.needs_wh = session.soc, session.energy_needed_wh
            stay.is_needs_stored = stay.needs_wh is not None
            self._unconfirmed.setdefault(_unit_of(stay.connector), []).append(stay)
            self._enter(stay)

    def use_projection(self, projection: Projection) -> None:
        """Go on with an edited depot; vehicles on connectors that it does not have are `strays`."""
        self._projection = projection
        for stay in self._stays.values():
            self._place(stay)
        self._draws = {name: each for name, each in self._draws.items() if name in projection.leaf_index}
        self._states = {name: state for name, state in self._states.items() if name in projection.leaf_index}
        self._present = self._told = None

    def use_plans(self, plans: Sequence[Plan]) -> None:
        """What is known of vehicles beforehand. Of several plans the most specific one that says something counts:
        the vehicle's own, its id tag's, its connector's. One whose departure lies before the arrival is over."""
        if self._plans is not None and tuple(plans) == self._plans_told:
            return
        self._plans_told = tuple(plans)
        self._plans = {_plan_key(*plan.key.partition(":")[::2]): plan for plan in plans}
        for stay in self._stays.values():
            self._apply_plans(stay)
        self._told = None

    def hold(self, connectors: Collection[str]) -> None:
        """These connectors are held: their vehicles want nothing as far as a balance is concerned."""
        if frozenset(connectors) != self._held:
            self._held = frozenset(connectors)
            self._told = None

    # What happens

    def take(self, event: Event) -> None:
        """Follow an event; those that are not about vehicles change nothing."""
        match event:
            case VehicleArrived():
                self._arrived(event)
            case VehicleLeft():
                self._left(event.connector)
            case StateChanged():
                self._state_changed(event)
            case Measured():
                self._measured(event)
            case Ready() | Disconnected():
                self._connection(event)
            case _:
                pass

    def _connection(self, event: Ready | Disconnected) -> None:
        for stay in self._unconfirmed.get(event.charge_point, ()):
            stay.gone_at_s = event.received_s + UNCONFIRMED_S if isinstance(event, Ready) else None

    def _arrived(self, event: VehicleArrived) -> None:
        stay = self._stays.get(event.connector)
        if stay is not None and not _is_another(stay.session.arrived, event.at):
            stay.is_confirmed = True
            if stay.session.arrived is None:
                stay.session = replace(stay.session, arrived=event.at)
        else:
            stay = _Stay(session=Session(connector=event.connector, arrived=event.at))
            self._enter(stay)
        stay.id_tag, stay.vehicle = event.id_tag or stay.id_tag, event.vehicle or stay.vehicle
        self._apply_plans(stay)
        self._told = None

    def _left(self, connector: str) -> None:
        self._states.pop(connector, None)
        self._forget(connector)

    def _forget(self, connector: str) -> None:
        if self._stays.pop(connector, None) is not None:
            self._present = self._told = None

    def _state_changed(self, event: StateChanged) -> None:
        if event.connector in self._projection.leaf_index:
            self._states[event.connector] = event.state
        stay = self._stays.get(event.connector)
        if stay is None:
            return
        if event.state is ConnectorState.FREE and not stay.is_confirmed:
            # It left while nobody watched.
            self._left(event.connector)
            return
        stay.standing, stay.is_changed = _STANDINGS[event.state], True

    def _measured(self, event: Measured) -> None:
        if event.connector in self._projection.leaf_index and event.draw is not None:
            self._draws[event.connector] = event
        stay = self._stays.get(event.connector)
        if stay is None:
            return
        if event.soc is not None and event.soc != stay.soc:
            stay.soc, self._told = event.soc, None
        if event.energy_wh is not None:
            if stay.register_wh is not None and event.energy_wh > stay.register_wh:
                stay.charged_wh += event.energy_wh - stay.register_wh
                self._told = self._told if stay.needs_wh is None else None
            stay.register_wh = event.energy_wh
        if event.draw is not None:
            stay.draw, stay.sampled_s = event.draw, event.received_s - event.age_s
            if stay.look(event.received_s):
                self._told = None

    def given(self, given: Mapping[str, tuple[int, bool]], now_s: float) -> None:
        """Once a cycle: connector -> the setpoint that its charge point has acknowledged and holds, and whether the
        draw has settled to it. Whoever is not named is given nothing that we know of."""
        self._forget_unconfirmed(now_s)
        for stay in self._stays.values():
            value, is_settled = given.get(stay.connector, (None, False))
            if value != stay.given or is_settled is not stay.is_settled:
                stay.given, stay.is_settled, stay.is_changed = value, is_settled, True
            is_due = stay.demand is not None and stay.demand.due_s <= now_s
            if (stay.is_changed or is_due) and stay.look(now_s):
                self._told = None

    def _forget_unconfirmed(self, now_s: float) -> None:
        stays = [each for each in itertools.chain(*self._unconfirmed.values()) if not each.is_confirmed]
        self._unconfirmed = {}
        for stay in stays:
            if self._stays.get(stay.connector) is not stay:
                continue
            if stay.gone_at_s is not None and stay.gone_at_s <= now_s:
                self._forget(stay.connector)
            else:
                self._unconfirmed.setdefault(_unit_of(stay.connector), []).append(stay)

    # What a cycle wants to know

    def sessions(self, at: datetime) -> tuple[Session, ...]:
        """The vehicles there, in the projection's order, with what each could use now."""
        if self._is_somebody_waiting:
            self._crowded_at = at
        is_crowded = self._crowded_at is not None and at - self._crowded_at < ROOM_KEPT
        if self._told is None or self._told[0] is not is_crowded:
            self._told = is_crowded, tuple(self._session(stay, is_crowded) for stay in self._in_order())
        return self._told[1]

    def remember(self, sessions: Iterable[Session]) -> None:
        """What `after_cycle` made of the sessions: who charges, who waits, who was stopped."""
        self._is_somebody_waiting = False
        for session in sessions:
            stay = self._stays.get(session.connector)
            if stay is None or stay.session.arrived != session.arrived:
                continue
            if session.waiting_since is not None and stay.demand is not None:
                # One that is full does not make others give way.
                self._is_somebody_waiting |= stay.demand.reason is not Reason.FULL
            if _memory(session) != _memory(stay.session):
                charging, charging_since, waiting_since, stopped_at = _memory(session)
                stay.session = replace(
                    stay.session,
                    charging=charging,
                    charging_since=charging_since,
                    waiting_since=waiting_since,
                    stopped_at=stopped_at,
                )
                self._told = None

    def connectors(self) -> frozenset[str]:
        """Where a vehicle is, as far as the depot has the connector."""
        return frozenset(stay.connector for stay in self._in_order())

    def plugged(self, now_s: float) -> dict[str, Plugged]:
        """Connector with a vehicle -> all that is known of it, as of the last `sessions`."""
        is_crowded = self._told is not None and self._told[0]
        return {
            stay.connector: Plugged(
                session=stay.session,
                reason=self._wish(stay, is_crowded)[1],
                id_tag=stay.id_tag,
                vehicle=stay.vehicle,
                charged_wh=stay.charged_wh,
                draw=stay.draw,
                draw_age_s=None if stay.sampled_s is None else max(0.0, now_s - stay.sampled_s),
            )
            for stay in self._in_order()
        }

    def states(self) -> Mapping[str, ConnectorState]:
        """What connectors say of themselves."""
        return dict(self._states)

    def draws(self) -> Mapping[str, Measured]:
        """Connector -> the last sample that told its draw, with or without a vehicle."""
        return dict(self._draws)

    def reasons(self) -> dict[str, Reason]:
        """Connector with a vehicle -> why its request is what it is, as of the last `sessions`."""
        is_crowded = self._told is not None and self._told[0]
        return {stay.connector: self._wish(stay, is_crowded)[1] for stay in self._in_order()}

    def strays(self) -> tuple[str, ...]:
        """Connectors with a vehicle that the depot does not have (any more), sorted."""
        return tuple(sorted(stay.connector for stay in self._stays.values() if stay.reach is None))

    # Inside

    def _enter(self, stay: _Stay) -> None:
        self._stays[stay.connector] = stay
        state = self._states.get(stay.connector)
        # A connector may be free until it says otherwise, and finish with the vehicle before.
        if state is not None and state not in (ConnectorState.FREE, ConnectorState.FINISHING):
            stay.standing = _STANDINGS[state]
        self._place(stay)
        self._present = self._told = None

    def _place(self, stay: _Stay) -> None:
        """Give it the connector's reach; where that changed, nothing that was learnt holds."""
        leaf = self._projection.leaf_index.get(stay.connector)
        reach = None if leaf is None else self._reach(leaf)
        if reach != stay.reach:
            stay.reach, stay.demand = reach, None if reach is None else unknown_demand(reach)
        stay.is_changed = True

    def _reach(self, leaf: int) -> Reach:
        projection = self._projection
        first, last = int(projection.steps_first[leaf]), int(projection.steps_last[leaf])
        return Reach(
            rating=int(projection.max_rating[leaf]),
            minimum=int(projection.minimum[leaf]),
            step=int(projection.step[leaf]),
            steps=tuple(projection.allowed_steps[first:last].tolist()),
        )

    def _in_order(self) -> list[_Stay]:
        if self._present is None:
            index = self._projection.leaf_index
            there = [stay for stay in self._stays.values() if stay.reach is not None]
            self._present = sorted(there, key=lambda stay: index[stay.connector])
        return self._present

    def _wish(self, stay: _Stay, is_crowded: bool) -> tuple[int, Reason]:
        assert stay.demand is not None
        if stay.connector in self._held:
            return 0, Reason.HELD
        if is_crowded and stay.demand.reason is Reason.FULL and stay.demand.request > 0:
            return 0, Reason.MAKES_ROOM
        return stay.demand.request, stay.demand.reason

    def _session(self, stay: _Stay, is_crowded: bool) -> Session:
        session, request = stay.session, self._wish(stay, is_crowded)[0]
        needed_wh = None if stay.needs_wh is None else max(0, stay.needs_wh - stay.charged_wh)
        if (request, stay.soc, needed_wh) != (session.request, session.soc, session.energy_needed_wh):
            session = replace(session, request=request, soc=stay.soc, energy_needed_wh=needed_wh)
            stay.session = session
        return session

    def _apply_plans(self, stay: _Stay) -> None:
        if self._plans is None:
            return
        keys = (("vehicle", stay.vehicle), ("id_tag", stay.id_tag), ("connector", stay.connector))
        found = [self._plans.get(_plan_key(kind, name)) for kind, name in keys if name is not None]
        arrived = stay.session.arrived
        plans = [
            plan
            for plan in found
            if plan is not None and (plan.departs is None or arrived is None or plan.departs > arrived)
        ]
        if not plans and not stay.is_confirmed:
            # Whose it is may not be known yet: what was stored still tells most.
            return
        needs_wh = next((plan.energy_needed_wh for plan in plans if plan.energy_needed_wh is not None), None)
        if stay.is_needs_stored and stay.needs_wh is not None and needs_wh is not None:
            # What was charged before the restart shows in what was left.
            stay.charged_wh += max(0, needs_wh - stay.needs_wh)
        stay.needs_wh, stay.is_needs_stored = needs_wh, False
        stay.session = replace(
            stay.session,
            departs=next((plan.departs for plan in plans if plan.departs is not None), None),
            priority=next((plan.priority for plan in plans if plan.priority is not None), 0),
        )


def _unit_of(connector: str) -> str:
    return connector.rpartition("/")[0]


def _plan_key(kind: str, name: str) -> str:
    """Id tags are the same in capitals and small letters (OCPP 1.6, CiString)."""
    return f"{kind}:{name.lower() if kind == 'id_tag' else name}"


def _memory(session: Session) -> tuple[bool, datetime | None, datetime | None, datetime | None]:
    return session.charging, session.charging_since, session.waiting_since, session.stopped_at


def _is_another(arrived: datetime | None, at: datetime) -> bool:
    return arrived is not None and abs(at - arrived) > SAME_ARRIVAL
