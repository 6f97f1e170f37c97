"""A simulated charge point's real websocket, as events and faults take hold of it."""

from random import Random

from busbar.simulator.stations.conditions import Conditions, Parting
from busbar.simulator.stations.link import Link, Way
from busbar.simulator.stations.station import Station
from busbar.simulator.trials.line import SiteClock
from busbar.simulator.trials.weather import Weather


class SocketLine:
    """One charge point and its socket (the protocol `trials.line.Line`)."""

    def __init__(self, station: Station, *, way: Way, clock: SiteClock, conditions: Conditions, random: Random) -> None:
        self.station = station
        self.weather = Weather()
        self.carried = 0
        self._link = Link(station, way, conditions, random)
        self._clock = clock
        self._down = 0
        """Reasons why there is no network."""

    @property
    def connections(self) -> int:
        """How many there have been."""
        return self._link.connections

    @connections.setter
    def connections(self, count: int) -> None:
        self._link.connections = count

    @property
    def now_s(self) -> float:
        """By the clock that never jumps."""
        return self._clock.now_s()

    @property
    def is_connected(self) -> bool:
        """It has an open connection, as far as it knows."""
        return self.station.is_open

    @property
    def is_ready(self) -> bool:
        """And Busbar has accepted it."""
        return self.station.is_ready

    def start(self) -> None:
        """Switch it on."""
        self._link.start()

    async def stop(self) -> None:
        """Switch it off for good."""
        await self._link.stop()

    def cut(self) -> None:
        """The network is gone until `mend`."""
        self._down += 1
        self._link.disconnect()

    def mend(self) -> None:
        """That reason is over."""
        self._down -= 1
        if not self._down:
            self._link.connect()
            self._link.poke()

    def break_off(self) -> None:
        """The connection breaks, without a word."""
        self.station.parting = Parting.CUT
        self._link.poke()

    def fall_silent(self) -> None:
        """Nothing passes any more, and nobody is told; some time later it opens another one."""
        self.station.parting = Parting.SILENCE
        self._link.poke()

    def poke(self) -> None:
        """Something was done to the station from outside: send and plan anew."""
        self._link.poke()
