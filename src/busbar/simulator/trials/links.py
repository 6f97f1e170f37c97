"""A simulated charge point's way to Busbar: frames carried both ways in made-up time, connections made and lost."""

import asyncio
from math import inf
from random import Random
from typing import Protocol

from busbar.adapters.ocpp.session import Session
from busbar.simulator.stations.conditions import Conditions, Parting
from busbar.simulator.stations.station import Station
from busbar.simulator.trials.made_time import MadeClock
from busbar.simulator.trials.weather import Direction, Weather

LEFTOVER_S = 5.0
"""How long what was under way may wait in a charge point's buffers after its connection was lost."""
_SHORTEST_TICK_S = 0.001


class Wire:
    """One connection, as Busbar's side has it (the protocol `adapters.ocpp.switchboard.Wire`)."""

    def __init__(self, link: "Link", now_s: float) -> None:
        self._link = link
        self.heard_s = now_s
        self.pinged_s = now_s
        self.session: Session | None = None
        self.is_open = True
        """For Busbar."""
        self.is_held = True
        """By the charge point."""
        self.is_silent = False
        """Half open: nothing passes any more, and nobody was told."""
        self.last_s = {Direction.TO_STATION: 0.0, Direction.TO_PROCESS: 0.0}
        """When the last frame that keeps its place arrives."""
        self._early: list[bytes] = []

    def listen(self, listener: Session) -> None:
        """Hand messages to it from now on, and those that came before."""
        self.session = listener
        early, self._early = self._early, []
        for frame in early:
            listener.receive(frame)

    def write(self, frame: bytes) -> bool:
        """Send it now; False: not a byte of it left."""
        if not self.is_open:
            return False
        self._link.carry(self, frame, Direction.TO_STATION)
        return True

    def knock(self) -> None:
        """Ask whether it is there; any sign of life is an answer."""
        if self.is_open and self.is_held and not self.is_silent:
            self._link.answer_ping(self)

    def shut(self, code: int, reason: str) -> None:
        """Say goodbye and close, without waiting for either."""
        self.drop()

    def drop(self) -> None:
        """Close it without a word."""
        if self.is_open:
            self.is_open = False
            self._link.closed_by_process(self)

    def hear(self, frame: bytes, now_s: float) -> None:
        """Something came from the charge point."""
        if not self.is_open:
            return
        self.heard_s = now_s
        if self.session is None:
            self._early.append(frame)
        else:
            self.session.receive(frame)

    def lost(self) -> None:
        """The connection is gone, and Busbar's side notices."""
        if self.is_open:
            self.is_open = False
            if self.session is not None:
                self.session.end("connection lost")


class Door(Protocol):
    """Where charge points knock: the process that runs just now, if any."""

    def let_in(self, link: "Link", wire: Wire) -> bool:
        """Take a new connection, or turn it away."""
        ...

    def heard(self) -> bool:
        """A frame arrives; whether there is a process to hear it."""
        ...

    def gone(self, wire: Wire) -> None:
        """That wire carries nothing any more."""
        ...


class Link:
    """One charge point and its way to Busbar. (It lives.)"""

    def __init__(
        self, station: Station, *, door: Door, clock: MadeClock, conditions: Conditions, random: Random
    ) -> None:
        self.station = station
        self.weather = Weather()
        self.carried = 0
        self.connections = 0
        self._door, self._clock, self._conditions, self._random = door, clock, conditions, random
        self._wire: Wire | None = None
        self._down = 0
        """Reasons why there is no network."""
        self._failures = 0
        self._wakes: asyncio.TimerHandle | None = None
        self._wakes_for_s = inf
        """What it wakes for, POSIX."""
        self._retries: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Switch it on."""
        self._retry(self._random.uniform(0.0, self._conditions.reconnect_s))
        self._plan_wake()

    @property
    def now_s(self) -> float:
        """By the clock that never jumps."""
        return self._clock.now_s()

    @property
    def is_connected(self) -> bool:
        """Both ends have the same open connection, and it carries."""
        wire = self._wire
        return wire is not None and wire.is_open and wire.is_held and not wire.is_silent

    # The network

    def cut(self) -> None:
        """The network is gone until `mend`: what is under way is lost or waits in buffers."""
        self._down += 1
        self.break_off()

    def mend(self) -> None:
        """That reason is over."""
        self._down -= 1
        if not self._down:
            self._failures = 0
            self._retry(self._random.uniform(0.1, self._conditions.reconnect_s))

    def break_off(self) -> None:
        """The connection breaks, and both ends notice."""
        wire = self._wire
        if wire is not None:
            self._station_lost()
            wire.lost()
            self._door.gone(wire)

    def fall_silent(self) -> None:
        """The connection is half open from now on: nothing passes, and nobody is told."""
        if self._wire is not None:
            self._wire.is_silent = True

    def poke(self) -> None:
        """Something was done to the station from outside: send and plan anew."""
        self._after()

    def carry(self, wire: Wire, frame: bytes, direction: Direction) -> None:
        """A frame leaves one end; whether and when it arrives is the weather's."""
        self.carried += 1
        passage = self.weather.passage(frame, direction, self._random)
        now_s = self._clock.now_s()
        for after_s in passage.after_s:
            at_s = now_s + after_s
            if passage.keeps_order:
                at_s = wire.last_s[direction] = max(at_s, wire.last_s[direction] + 1e-6)
            deliver = self._deliver_to_station if direction is Direction.TO_STATION else self._deliver_to_process
            asyncio.get_running_loop().call_at(at_s, deliver, wire, frame)

    def answer_ping(self, wire: Wire) -> None:
        """A ping was sent, and its answer comes."""
        asyncio.get_running_loop().call_later(0.05, self._ponged, wire)

    def _ponged(self, wire: Wire) -> None:
        if wire.is_held and not wire.is_silent and not self._down:
            wire.heard_s = self._clock.now_s()

    def _deliver_to_station(self, wire: Wire, frame: bytes) -> None:
        if wire.is_silent:
            return
        if not wire.is_held:
            # What had arrived in its buffers may be dealt with all the same, a little later.
            if self._random.random() < 0.5 and self.station.charger.is_powered:
                wait_s = self._random.uniform(0.0, LEFTOVER_S)
                asyncio.get_running_loop().call_later(wait_s, self._hear_leftover, frame)
            return
        self.station.received(frame, self._clock.true_s)
        self._after()

    def _hear_leftover(self, frame: bytes) -> None:
        if self.station.charger.is_powered:
            self.station.received(frame, self._clock.true_s)
            self._after()

    def _deliver_to_process(self, wire: Wire, frame: bytes) -> None:
        if not wire.is_silent and wire.is_open and self._door.heard():
            wire.hear(frame, self._clock.now_s())

    def closed_by_process(self, wire: Wire) -> None:
        """Busbar's side closed it; the charge point notices a moment later."""
        self._door.gone(wire)
        if wire.is_held and not wire.is_silent:
            asyncio.get_running_loop().call_later(0.05, self._noticed, wire)

    def _noticed(self, wire: Wire) -> None:
        if wire is self._wire and not wire.is_silent:
            self._station_lost()

    # The charge point's end

    def _station_lost(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.is_held = False
        self.station.lost(self._clock.true_s)
        self._retry(self._conditions.reconnect_wait_s(self._failures, self._random))
        self._after()

    def _retry(self, wait_s: float) -> None:
        if self._retries is not None:
            self._retries.cancel()
        self._retries = asyncio.get_running_loop().call_later(wait_s, self._connect)

    def _connect(self) -> None:
        self._retries = None
        if self._wire is not None:
            return
        if self._down or not self.station.charger.is_powered:
            # `mend` and the return of power try again; a slow look in between costs nothing.
            self._failures += 1
            self._retry(self._conditions.reconnect_wait_s(self._failures, self._random))
            return
        wire = Wire(self, self._clock.now_s())
        if not self._door.let_in(self, wire):
            self._failures += 1
            self._retry(self._conditions.reconnect_wait_s(self._failures, self._random))
            return
        self.connections += 1
        self._failures = 0
        self._wire = wire
        self.station.parting = None
        self.station.opened(self._clock.true_s)
        self._after()

    # Time

    def _plan_wake(self) -> None:
        next_s = self.station.next_s
        if self._wakes is not None:
            if next_s == self._wakes_for_s:
                return
            self._wakes.cancel()
            self._wakes = None
        self._wakes_for_s = next_s
        if next_s < inf:
            wait_s = max(_SHORTEST_TICK_S, next_s - self._clock.true_s)
            self._wakes = asyncio.get_running_loop().call_later(wait_s, self._wake)

    def _wake(self) -> None:
        self._wakes = None
        self.station.tick(self._clock.true_s)
        self._after()

    def _after(self) -> None:
        """Do to the connection what the station wants, send what it has to say, and look when it wakes next."""
        parting, self.station.parting = self.station.parting, None
        if parting is not None and self._wire is not None:
            if parting is Parting.SILENCE:
                self._wire.is_silent = True
                self._station_lost()
            else:
                self.break_off()
            return
        wire = self._wire
        if wire is not None:
            for frame in self.station.frames(self._clock.true_s):
                if wire.is_silent:
                    continue
                self.carry(wire, frame, Direction.TO_PROCESS)
        self._plan_wake()
