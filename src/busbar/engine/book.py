"""The book of one depot: the ledger of every connector, added up in arrays, and what time does to it."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from busbar.core import commitment as ledgers
from busbar.core.charger import may_be_limited_as_a_whole, times_taken
from busbar.core.commitment import Commitment
from busbar.core.projection import Projection
from busbar.core.release import ratings_of
from busbar.core.sharing import charge_point_of
from busbar.core.snapshot import Ints
from busbar.engine.lines import Line, Unit, expiry_s, ramp_s
from busbar.engine.ports import StoredSetpoint
from busbar.engine.timing import Timing

NEVER_S = float("inf")


class Book:
    """Charge points and connectors in leaf order. (Mutable: it follows events.)"""

    def __init__(self, projection: Projection, timing: Timing) -> None:
        self.timing = timing
        self.now_s = -1e9
        """The latest time it was told."""
        self.units: dict[str, Unit] = {}
        self.lines: list[Line] = []
        """[n]"""
        self.line_of: dict[str, Line] = {}
        self.open: set[str] = set()
        """Connectors that the next release looks at."""
        self._parted: dict[str, Line] = {}
        self._believed: dict[str, int] = {}
        self.use(projection)

    def use(self, projection: Projection) -> None:
        """Lay it out for a projection; what is known of connectors that stay is carried over."""
        before, units = self._parted | self.line_of, self.units
        self.projection, self.ratings = projection, ratings_of(projection)
        self.units, self.lines, self.line_of = {}, [], {}
        for leaf, connector in enumerate(projection.leaf_ids):
            charge_point = projection.node_ids[int(projection.parent[projection.leaf_node[leaf]])]
            if charge_point not in self.units:
                self.units[charge_point] = units.get(charge_point) or Unit(id=charge_point)
                self.units[charge_point].lines = []
            unit = self.units[charge_point]
            unit.is_in_service = bool(projection.in_service[leaf])
            self._describe(unit, leaf)
            line = self._laid_out(before.get(connector), connector, leaf, unit)
            unit.lines.append(line)
            self.lines.append(line)
            self.line_of[connector] = line
        self._part(line for connector, line in before.items() if connector not in self.line_of)
        n = len(self.lines)
        self.committed: Ints = np.zeros(n, dtype=np.int64)
        """[n] the most each connector may still draw, by itself."""
        self.told: Ints = np.zeros(n, dtype=np.int64)
        """[n] the most it may draw as long as it hears from us."""
        self.drawn: Ints = np.zeros(n, dtype=np.int64)
        """[n] what it draws if it disobeys; 0: it does not."""
        self.change_s: npt.NDArray[np.float64] = np.full(n, NEVER_S)
        """[n] when time alone changes what is committed."""
        self.renew_s: npt.NDArray[np.float64] = np.full(n, NEVER_S)
        """[n] when its setpoint is to be renewed."""
        for line in self.lines:
            self.refresh(line)
            if line.has_vehicle and line.value is not None:
                self.renew_s[line.leaf] = line.sent_s + self.timing.renew_s

    def _describe(self, unit: Unit, leaf: int) -> None:
        stored = charge_point_of(self.projection, leaf)
        unit.max_rating, unit.times = stored.max_rating, times_taken(stored)
        if unit.is_whole and not may_be_limited_as_a_whole(self.projection.depot, stored):
            # Nothing more is told in a way that means nothing any more: it is greeted anew.
            unit.is_ready = False

    def _laid_out(self, line: Line | None, connector: str, leaf: int, unit: Unit) -> Line:
        projection = self.projection
        rating, minimum = int(projection.max_rating[leaf]), int(projection.minimum[leaf])
        fallback = int(projection.fallback[leaf])
        if line is None:
            ledger = Commitment(fallback=rating)
            line = Line(
                id=connector, leaf=leaf, unit=unit, ledger=ledger, rating=rating, minimum=minimum, fallback=fallback
            )
        line.leaf, line.unit, line.rating, line.minimum = leaf, unit, rating, minimum
        if line.fallback != fallback:
            # Another fallback has yet to be believed; and leases that end in the former one are to be replaced.
            line.former = max(line.former or 0, line.ledger.fallback)
            line.fallback = fallback
            self._believed.pop(connector, None)
            line.is_to_be_renewed = line.has_vehicle and line.value is not None
            self.open.add(connector)
        line.ledger = ledgers.with_fallback(line.ledger, self._believed.get(connector, rating))
        line.target = None
        return line

    def _part(self, gone: Iterable[Line]) -> None:
        """What an edit took away may come back before its leases have ended."""
        self._parted = {}
        for line in gone:
            self._believed.pop(line.id, None)
            if ledgers.has_effect(line.ledger, self.now_s):
                line.has_vehicle, line.value, line.target = False, None, None
                self._parted[line.id] = line

    def believe(self, connector: str, fallback: int | None) -> None:
        """Count this as the connector's fallback from now on; None: nothing is believed, its rating counts."""
        line = self.line_of.get(connector)
        if line is None:
            return
        if fallback is None or fallback != line.fallback:
            self._believed.pop(connector, None)
            counted = line.rating
        else:
            counted = self._believed[connector] = fallback
        former = 0
        if counted != line.ledger.fallback or line.former is not None:
            # Whoever is there may go on as before; and who connects anew has yet to say who is there.
            is_connecting = line.unit.connection is not None and not line.unit.is_ready
            if line.has_vehicle or is_connecting:
                former = line.ledger.fallback if line.former is None else line.former
        line.ledger = ledgers.with_fallback(line.ledger, counted, former=former)
        line.former = line.former if fallback is None else None
        self.refresh(line)

    def restore(self, stored: Iterable[StoredSetpoint], now_s: float) -> None:
        """After a restart: what was stored counts for a whole lease; nothing rises before it is acknowledged anew."""
        self.now_s = max(self.now_s, now_s)
        for setpoint in stored:
            line = self.line_of.get(setpoint.connector) or self._parted_before(setpoint)
            expires_s = expiry_s(line.unit, self.timing)
            lasts_s = max(abs(setpoint.expiry_s), expires_s)
            line.ledger = ledgers.restored(
                line.ledger,
                value=setpoint.value,
                fallback=setpoint.fallback,
                now_s=now_s,
                expiry_s=expires_s,
                lasts_s=lasts_s,
                over_at_s=setpoint.at.timestamp() + lasts_s,
                is_leased=setpoint.expiry_s >= 0,
            )
            line.stored, line.is_stored_leased = setpoint.value, setpoint.expiry_s >= 0
            if line.id in self.line_of:
                self.refresh(line)

    def _parted_before(self, setpoint: StoredSetpoint) -> Line:
        """One that an edit took away before the restart may come back as well."""
        line = self._parted[setpoint.connector] = Line(
            id=setpoint.connector,
            leaf=-1,
            unit=Unit(id=setpoint.connector.rpartition("/")[0]),
            ledger=Commitment(fallback=0),
            rating=0,
            minimum=0,
            fallback=setpoint.fallback,
        )
        return line

    def refresh(self, line: Line) -> bool:
        """Count anew what a connector may draw; whether that freed something."""
        leaf, ledger, unit, before = line.leaf, line.ledger, line.unit, self.committed[line.leaf]
        value = ledgers.committed(ledger, self.now_s) if unit.is_in_service else 0
        self.committed[leaf] = value
        # Out of reach it may fall back at any moment.
        self.told[leaf] = min(value, ledgers.told(ledger, self.now_s)) if unit.is_reachable else value
        self.drawn[leaf] = ledger.draw if ledger.rogue and ledger.draw is not None and value else 0
        self.change_s[leaf] = ledgers.next_change_s(ledger, ramp_s=ramp_s(unit, self.timing))
        return bool(value < before)

    def look_at(self, unit: Unit) -> None:
        """Count its connectors anew, and look at them in the next release."""
        for line in unit.lines:
            self.refresh(line)
            self.open.add(line.id)

    def pass_time(self, now_s: float) -> None:
        """Leases end, draws settle, setpoints are due for renewal."""
        self.now_s = max(self.now_s, now_s)
        for leaf in np.flatnonzero(self.change_s <= now_s).tolist():
            line = self.lines[leaf]
            line.ledger = ledgers.when_time_passed(line.ledger, now_s, ramp_s=ramp_s(line.unit, self.timing))
            if line.value is not None and not ledgers.has_effect(line.ledger, now_s):
                # It is on its fallback by now.
                line.value, line.is_to_be_renewed = None, False
                self.renew_s[leaf] = NEVER_S
                self.open.add(line.id)
            self.refresh(line)
        for leaf in np.flatnonzero(self.renew_s <= now_s).tolist():
            self.lines[leaf].is_to_be_renewed = True
            self.renew_s[leaf] = NEVER_S
            self.open.add(self.lines[leaf].id)

    def next_due_s(self) -> float:
        """When time alone makes work."""
        return float(min(self.renew_s.min(), self.change_s.min())) if self.lines else NEVER_S
