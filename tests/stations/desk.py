"""A charge point at a desk: no network, made-up time, and a central system that agrees to everything."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import orjson
from strict_central import Payload, answer_of, call_of, order_of, profile_of, usual_answer, what_is_wrong, yard

from busbar.simulator.scenario import VehicleType
from busbar.simulator.stations.behaviours import HONEST, Behaviour
from busbar.simulator.stations.building import Cast
from busbar.simulator.stations.conditions import Conditions
from busbar.simulator.stations.outlets import Plugged
from busbar.simulator.stations.simulated_depot import SimulatedDepot
from busbar.simulator.stations.station import Station
from busbar.simulator.stations.traffic import NOBODY

BEGAN_S = 1_800_000_000.0
VAN = VehicleType(id="van", battery_wh=75_000, max_power_w=22_000)
BUS = VehicleType(id="bus", battery_wh=400_000, max_power_w=150_000)


@dataclass
class Desk:
    """Time stands still until somebody waits."""

    behaviour: Behaviour = HONEST
    version: str = "1.6"
    charge_point: str = "AC1"
    conditions: Conditions = field(default_factory=lambda: Conditions(traffic=NOBODY, sample_s=10))
    now_s: float = BEGAN_S
    said: list[tuple[str, Payload]] = field(default_factory=list)
    said_at_s: list[float] = field(default_factory=list)
    answers: dict[str, Payload] = field(default_factory=dict)
    is_mute: bool = False

    def __post_init__(self) -> None:
        self.depot = SimulatedDepot(
            yard(),
            url="ws://nowhere",
            cast=Cast(protocol=self.version, behaviours={self.charge_point: self.behaviour}),
            conditions=self.conditions,
            clock=lambda: self.now_s,
        )
        self.station: Station = self.depot.station(self.charge_point)
        self._ids, self._transactions = count(1), count(101)
        self._answers: dict[str, Payload] = {}

    # The world

    def open(self) -> None:
        self.station.opened(self.now_s)
        self._exchange()

    def lose(self) -> None:
        self.station.lost(self.now_s)

    def plug_in(self, kind: VehicleType = VAN, *, place: int = 0, soc: float = 0.3) -> None:
        vehicle = Plugged(id="V1", kind=kind, stored_ws=kind.battery_wh * 3600 * soc, since_s=self.now_s)
        self.station.plug_in(place, vehicle, self.now_s)
        self._exchange()

    def unplug(self, place: int = 0) -> None:
        self.station.unplug(place, self.now_s)
        self._exchange()

    def wait(self, for_s: float) -> None:
        """Everything that is due on the way is done when it is due."""
        end_s = self.now_s + for_s
        for _ in range(100_000):
            due_s = self.station.next_s
            if due_s > end_s:
                break
            self.now_s = max(self.now_s, due_s)
            self.station.tick(self.now_s)
            self._exchange()
            if self.station.parting is not None:
                self.station.parting = None
                if self.station.is_open:
                    self.lose()
        else:
            raise AssertionError("it is due again and again without time going by")
        self.now_s = end_s
        self.station.charger.advance(self.now_s)

    def charging(self, kind: VehicleType = VAN) -> "Desk":
        """Connected, with a vehicle that has reached what it draws."""
        self.open()
        self.plug_in(kind)
        self.wait(5)
        return self

    # The central system

    def ask(self, action: str, payload: Payload | None = None) -> Payload:
        """Send an order; its answer, `{}` where there is none yet."""
        id = f"s{next(self._ids)}"
        self.station.received(orjson.dumps([2, id, action, payload or {}]), self.now_s)
        self._exchange()
        self._asked = (id, action)
        return self.answer(id, action)

    def answer(self, id: str, action: str) -> Payload:
        found = self._answers.get(id, {})
        if found and "error" not in found:
            assert what_is_wrong(answer_of(action, found), self.version) == ""
        return found

    def late_answer(self) -> Payload:
        """To the last order."""
        return self.answer(*self._asked)

    def set(self, *periods: tuple[int, float], connector: int = 1, **more: Any) -> str:
        """SetChargingProfile for the transaction that runs there, from now on; what was answered."""
        if more.get("purpose", "TxProfile") == "TxProfile" and "transaction" not in more:
            more["transaction"] = self.transaction(connector)
        profile = profile_of(self.version, *periods, **{"start_s": self.now_s, **more})
        answer = self.ask("SetChargingProfile", order_of(self.version, connector, profile))
        return str(answer.get("status", answer.get("error", "")))

    def transaction(self, connector: int = 1) -> str | None:
        found = self.station.outlets[connector - 1].transaction
        return None if found is None else found.id

    @property
    def draw(self) -> int:
        return self.draws[0]

    @property
    def draws(self) -> Sequence[int]:
        self.station.charger.advance(self.now_s)
        return [outlet.drawn for outlet in self.station.outlets]

    def of(self, action: str) -> list[Payload]:
        return [payload for each, payload in self.said if each == action]

    def statuses(self) -> list[str]:
        return [str(each.get("status", each.get("connectorStatus"))) for each in self.of("StatusNotification")]

    def _exchange(self) -> None:
        """Carry frames until nobody has anything to say."""
        while frames := self.station.frames(self.now_s):
            for frame in frames:
                message = orjson.loads(frame)
                if message[0] == 2:
                    self._hear(message[1], message[2], message[3])
                else:
                    self._answers[message[1]] = message[2] if message[0] == 3 else {"error": message[2]}

    def _hear(self, id: str, action: str, payload: Payload) -> None:
        assert what_is_wrong(call_of(action, payload), self.version) == ""
        self.said.append((action, payload))
        self.said_at_s.append(self.now_s)
        if self.is_mute:
            return
        answer = self.answers.get(action) or usual_answer(action, payload, lambda: next(self._transactions))
        self.station.received(orjson.dumps([3, id, answer]), self.now_s)
