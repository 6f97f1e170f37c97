"""One simulated charge point, without a network: frames and time in, frames out.

Everything happens in `opened`, `lost`, `received` and `tick`; what it draws in between is worked out when it matters.
"""

from collections import deque
from math import inf
from random import Random

from busbar.core.depot import ChargePoint
from busbar.simulator.stations.behaviours import Behaviour
from busbar.simulator.stations.charger import Charger
from busbar.simulator.stations.conditions import Conditions, OrderSeen, Parting
from busbar.simulator.stations.dialogue import Answer, Dialogue, Order, result_frame
from busbar.simulator.stations.offers import Abilities
from busbar.simulator.stations.outlets import Outlet, Plugged, Stage, Transaction, cut_off
from busbar.simulator.stations.profiles import Electrics, Profile, installed, without_transaction
from busbar.simulator.stations.rhythm import Beat, Rhythm
from busbar.simulator.stations.samples import measure
from busbar.simulator.stations.speech import (
    Call,
    CallKind,
    Configuration,
    Done,
    Reason,
    Restart,
    Say,
    Speech,
    Start,
    State,
    Stop,
    Wish,
    rate_units,
)
from busbar.simulator.stations.traffic import free_for_s, next_vehicle

MOST_ORDERS_KEPT = 200
MOST_FRAMES_HELD = 100
BOOT_AGAIN_S = 10
"""How soon it says again that it has booted, where it is told no time."""
AGAIN_S, MOST_ATTEMPTS = 10.0, 6
"""A transaction's begin or end that the central system could not deal with is told again: after 10 s, 20 s, 30 s ...
(OCPP 1.6, TransactionMessageRetryInterval and TransactionMessageAttempts)."""
RESET_AFTER_S = 0.2
"""A reset is answered before it is done."""


class Station:
    """One charge point. (It lives: everything about it changes.)"""

    def __init__(
        self,
        unit: ChargePoint,
        outlets: tuple[Outlet, ...],
        *,
        electrics: Electrics,
        speech: Speech,
        behaviour: Behaviour,
        conditions: Conditions,
        random: Random,
        secret: str | None,
        now_s: float,
    ) -> None:
        self.id = unit.id
        self.speech = speech
        self.behaviour = behaviour
        self.charger = Charger(
            outlets,
            rating=unit.max_rating,
            electrics=electrics,
            behaviour=behaviour,
            ramp_s=conditions.ramp_s,
            speed=conditions.speed,
            now_s=now_s,
        )
        self.state = State(
            id=unit.id,
            model="AC outlet" if electrics.is_ac else "DC power unit",
            outlets=outlets,
            is_ac=electrics.is_ac,
            w_per_a=electrics.w_per_a,
            abilities=Abilities(units=rate_units(electrics.is_ac), is_strict=speech.names_transactions),
            refuses=self._refuses,
            own_limit=self._own_limit,
            configuration=Configuration(
                sample_s=conditions.sample_s, heartbeat_s=conditions.heartbeat_s, secret=secret
            ),
        )
        self.dialogue = Dialogue(speech.schemas, answer_s=conditions.answer_s)
        self.orders: deque[OrderSeen] = deque(maxlen=MOST_ORDERS_KEPT)
        self.orders_count = 0
        self.parting: Parting | None = None
        """What is to be done to the connection now; whoever does it sets it back to None."""
        self.is_open = False
        self.is_accepted = False
        """The central system has accepted its boot."""
        self._conditions = conditions
        self.random = random
        self._rhythm = Rhythm(random)
        self._out: deque[bytes] = deque()
        self._held: deque[tuple[float, str | bytes]] = deque()
        self._again: list[tuple[float, Call]] = []
        """What is told again, and when."""
        self._vehicles = 0
        self._traffic_s = [inf] * len(outlets)
        """When the next vehicle comes to each outlet, or the one that is there leaves."""
        self.behave(behaviour, now_s)
        for place in range(len(outlets)):
            if random.random() < conditions.traffic.share:
                self._arrive(place, now_s)

    # What others may ask of it

    @property
    def is_ready(self) -> bool:
        """It is connected, and the central system has accepted it."""
        return self.is_open and self.is_accepted

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        """Its connectors."""
        return self.charger.outlets

    @property
    def next_s(self) -> float:
        """When `tick` is to be called at the latest."""
        due = [self._rhythm.next_s, self.charger.changes_at_s, *self._traffic_s]
        if self._held:
            due.append(self._held[0][0])
        due += [at_s for at_s, _ in self._again]
        if self.dialogue.deadline_s is not None:
            due.append(self.dialogue.deadline_s)
        due += [
            outlet.stage_since_s + self._conditions.patience_s
            for outlet in self.outlets
            if outlet.stage in (Stage.PLUGGED, Stage.ASKED) and self._starts_by_itself
        ]
        return min(due)

    @property
    def _starts_by_itself(self) -> bool:
        return not self.behaviour.waits_for_start and self.charger.is_powered

    def behave(self, behaviour: Behaviour, now_s: float) -> None:
        """From now on it behaves like that."""
        self.behaviour = behaviour
        self.charger.behave(behaviour, now_s)
        self._rhythm.about(Beat.DROP, behaviour.drops_every_s, now_s)
        self._rhythm.about(Beat.REBOOT, behaviour.reboots_every_s, now_s)
        self._rhythm.about(Beat.SILENCE, behaviour.falls_silent_every_s, now_s)

    def set_clock(self, ahead_s: float, now_s: float) -> None:
        """From now on its clock is so far ahead of the true time: its stamps, and when its profiles begin and end."""
        self.charger.set_clock(ahead_s, now_s)
        self._tell_changes(now_s)

    def plug_in(self, place: int, vehicle: Plugged, now_s: float) -> None:
        """A vehicle comes; one that is there leaves."""
        self.unplug(place, now_s)
        self.charger.advance(now_s)
        outlet = self.outlets[place]
        outlet.vehicle, outlet.stage, outlet.stage_since_s = vehicle, Stage.PLUGGED, now_s
        self._traffic_s[place] = vehicle.leaves_s
        self._tell_changes(now_s)
        self._ask(place, now_s)

    def unplug(self, place: int, now_s: float) -> None:
        """The vehicle leaves, where there is one; the next one comes as the traffic says."""
        outlet = self.outlets[place]
        self._traffic_s[place] = now_s + free_for_s(self._conditions.traffic, self.random, self._conditions.speed)
        if outlet.vehicle is None:
            return
        self._end(place, now_s, Reason.VEHICLE_LEFT)
        outlet.vehicle, outlet.stage, outlet.stage_since_s = None, Stage.FREE, now_s
        self._tell_changes(now_s)

    def lose_power(self, now_s: float, *, for_s: float, reason: Reason) -> None:
        """Switched off, and on again after so long; infinite: when `restore_power` is called."""
        for place in range(len(self.outlets)):
            self._end(place, now_s, reason)
        if self.behaviour.forgets:
            self.state.profiles = ()
            self.charger.install((), now_s)
            self.dialogue.forget()
        self._switch_off(now_s, for_s, reason)

    def lose_supply(self, now_s: float, *, for_s: float) -> None:
        """The mains fail for so long. It knows everything afterwards, and goes on with its transactions."""
        self._switch_off(now_s, for_s, Reason.POWER_LOST)

    def _switch_off(self, now_s: float, for_s: float, reason: Reason) -> None:
        self.charger.switch(is_on=False, now_s=now_s)
        self.is_accepted = False
        self._held.clear()
        self.parting = Parting.CUT if reason is Reason.POWER_LOST else Parting.CLOSE
        self._rhythm.once(Beat.POWER, now_s + for_s)
        self._rhythm.stop(Beat.BOOT, Beat.RESET, Beat.HEARTBEAT, Beat.SAMPLE, Beat.ALIGNED)

    def restore_power(self, now_s: float) -> None:
        """On again, booting; vehicles that are there start anew."""
        self._rhythm.stop(Beat.POWER)
        self.charger.switch(is_on=True, now_s=now_s)
        for outlet in self.outlets:
            outlet.told = None
            if outlet.stage is not Stage.FREE and outlet.transaction is None:
                outlet.stage, outlet.stage_since_s = Stage.PLUGGED, now_s

    # The connection

    def opened(self, now_s: float) -> None:
        """There is a connection."""
        self.is_open = True
        if not self.is_accepted:
            self._say_boot(now_s)
            return
        if self.behaviour.replays_late:
            self.dialogue.hold_samples_back()
        self._tell_changes(now_s)
        for place in range(len(self.outlets)):
            self._ask(place, now_s)

    def lost(self, now_s: float) -> None:
        """There is no connection any more."""
        self.is_open = False
        self._out.clear()
        self._held.clear()
        self._rhythm.stop(Beat.BOOT)
        for call in self.dialogue.lost():
            self._never_answered(call, now_s)

    def received(self, frame: str | bytes, now_s: float) -> None:
        """The central system says something."""
        if not self.charger.is_powered:
            return
        if self.behaviour.answers_after_s and len(self._held) < MOST_FRAMES_HELD:
            self._held.append((now_s + self.behaviour.answers_after_s, frame))
        elif not self.behaviour.answers_after_s:
            self._listen(frame, now_s)

    def frames(self, now_s: float) -> list[bytes]:
        """What is to be sent now."""
        if not self.is_open or not self.charger.is_powered:
            return []
        call = self.dialogue.next_frame(now_s, only_boot=not self.is_accepted)
        if call is not None:
            self._out.append(call)
        found = list(self._out)
        self._out.clear()
        return found

    # Time

    def tick(self, now_s: float) -> None:
        """Do what is due."""
        if self._rhythm.take(Beat.POWER, now_s):
            self.restore_power(now_s)
        for place, due_s in enumerate(self._traffic_s):
            if due_s <= now_s:
                self._move_traffic(place, now_s)
        if not self.charger.is_powered:
            return
        while self._held and self._held[0][0] <= now_s:
            self._listen(self._held.popleft()[1], now_s)
        for at_s, call in [each for each in self._again if each[0] <= now_s]:
            self._again.remove((at_s, call))
            self.dialogue.say(call)
        if self.dialogue.deadline_s is not None and self.dialogue.deadline_s <= now_s:
            self.parting = Parting.CUT
        self._start_alone(now_s)
        self._misbehave(now_s)
        if self.charger.is_powered:
            self._report(now_s)
            self._tell_changes(now_s)

    def _misbehave(self, now_s: float) -> None:
        if self._rhythm.take(Beat.DROP, now_s):
            self._rhythm.about(Beat.DROP, self.behaviour.drops_every_s, now_s)
            self.parting = Parting.CUT
        if self._rhythm.take(Beat.SILENCE, now_s):
            self._rhythm.about(Beat.SILENCE, self.behaviour.falls_silent_every_s, now_s)
            self.parting = Parting.SILENCE
        if self._rhythm.take(Beat.REBOOT, now_s):
            self._rhythm.about(Beat.REBOOT, self.behaviour.reboots_every_s, now_s)
            self.state.booted_by = "PowerUp"
            self.lose_power(now_s, for_s=self._conditions.reboot_s, reason=Reason.POWER_LOST)
        if self._rhythm.take(Beat.RESET, now_s):
            self.lose_power(now_s, for_s=self._conditions.reboot_s, reason=Reason.REBOOT)

    def _plan_reports(self, now_s: float) -> None:
        own, rhythm = self.state.configuration, self._rhythm
        is_charging = any(outlet.transaction is not None for outlet in self.outlets)
        rhythm.steadily(Beat.SAMPLE, own.sample_s if is_charging else 0, now_s)
        rhythm.steadily(Beat.ALIGNED, own.aligned_s, now_s)
        rhythm.steadily(Beat.HEARTBEAT, own.heartbeat_s if self.is_accepted else 0, now_s)

    def _report(self, now_s: float) -> None:
        rhythm = self._rhythm
        if rhythm.take(Beat.BOOT, now_s) and self.is_open and not self.is_accepted:
            self._say_boot(now_s)
        if rhythm.take(Beat.SAMPLE, now_s):
            for place, outlet in enumerate(self.outlets):
                if outlet.transaction is not None:
                    self._sample(place, now_s, "Sample.Periodic")
        if rhythm.take(Beat.ALIGNED, now_s) and self.is_open:
            for place in range(len(self.outlets)):
                self._sample(place, now_s, "Sample.Clock")
        if rhythm.take(Beat.HEARTBEAT, now_s) and self.is_open and not self.dialogue.is_waiting(CallKind.HEARTBEAT):
            self.dialogue.say(self.speech.heartbeat(self._stamp_s(now_s)))

    # Vehicles and their transactions

    def _move_traffic(self, place: int, now_s: float) -> None:
        self._traffic_s[place] = inf
        if self.outlets[place].vehicle is None:
            self._arrive(place, now_s)
        else:
            self.unplug(place, now_s)

    def _arrive(self, place: int, now_s: float) -> None:
        self._vehicles += 1
        vehicle = next_vehicle(
            self._conditions.traffic,
            self.random,
            name=f"{self.outlets[place].id}#{self._vehicles}",
            is_ac=self.state.is_ac,
            at_s=now_s,
            speed=self._conditions.speed,
        )
        self.plug_in(place, vehicle, now_s)

    def _ask(self, place: int, now_s: float) -> None:
        """Ask whether the vehicle may charge, where there is somebody to ask."""
        outlet = self.outlets[place]
        if outlet.stage is not Stage.PLUGGED or not self._starts_by_itself or not (self.is_open and self.is_accepted):
            return
        outlet.stage = Stage.ASKED
        self.dialogue.say(self.speech.authorize(self.state, place, _id_tag(outlet), self._stamp_s(now_s)))

    def _start_alone(self, now_s: float) -> None:
        """Vehicles that have waited for an answer long enough charge without one."""
        for place, outlet in enumerate(self.outlets):
            waits = outlet.stage in (Stage.PLUGGED, Stage.ASKED) and self._starts_by_itself
            if waits and now_s >= outlet.stage_since_s + self._conditions.patience_s:
                self._begin(Start(outlet=place, id_tag=_id_tag(outlet), profile=None), now_s)

    def _begin(self, start: Start, now_s: float) -> None:
        outlet = self.outlets[start.outlet]
        if outlet.vehicle is None or outlet.stage is Stage.CHARGING or not self.charger.is_powered:
            return
        self.charger.advance(now_s)
        outlet.transaction = Transaction(
            began_s=now_s,
            id_tag=start.id_tag,
            id=f"{self.random.getrandbits(128):032x}" if self.speech.names_transactions else None,
            remote_start=start.remote_start,
        )
        outlet.stage, outlet.stage_since_s = Stage.CHARGING, now_s
        if start.profile is not None:
            self.state.profiles = installed(self.state.profiles, start.profile)
        self.charger.install(self.state.profiles, now_s)
        self.charger.advance(now_s)
        self.dialogue.say(self.speech.begin(start.outlet, outlet, self._stamp_s(now_s), is_offline=not self.is_open))
        self._tell_changes(now_s)

    def _end(self, place: int, now_s: float, reason: Reason) -> None:
        outlet = self.outlets[place]
        if outlet.transaction is None:
            return
        self.charger.advance(now_s)
        cut_off(outlet)
        self.dialogue.say(self.speech.end(place, outlet, self._stamp_s(now_s), reason, is_offline=not self.is_open))
        outlet.transaction = None
        outlet.stage, outlet.stage_since_s = Stage.ENDED, now_s
        self.state.profiles = without_transaction(self.state.profiles, outlet.number)
        self.charger.install(self.state.profiles, now_s)

    # What it says

    def _say_boot(self, now_s: float) -> None:
        if not self.dialogue.is_waiting(CallKind.BOOT):
            self.dialogue.say(self.speech.boot(self.state, self._stamp_s(now_s)))

    def _sample(self, place: int, now_s: float, context: str) -> None:
        self.charger.advance(now_s)
        outlet = self.outlets[place]
        samples = measure(outlet, self.state.configuration.measurands)
        if samples:
            self.dialogue.say(
                self.speech.sample(place, outlet, samples, self._stamp_s(now_s), context, is_offline=not self.is_open)
            )

    def _tell_changes(self, now_s: float) -> None:
        """Report every outlet whose status is not what was told last, and see what is to be reported steadily."""
        self.charger.advance(now_s)
        if self.charger.is_powered:
            self._plan_reports(now_s)
        if not self.is_accepted or not self.charger.is_powered:
            return
        for place, outlet in enumerate(self.outlets):
            status = self.speech.status_of(outlet)
            if self.is_open and outlet.told != status:
                outlet.told = status
                self._say(self.speech.status(self.state, place, self._stamp_s(now_s)))
            if outlet.transaction is not None and outlet.transaction.told is not outlet.reason:
                is_first, outlet.transaction.told = outlet.transaction.told is None, outlet.reason
                if not is_first:
                    self._say(self.speech.change(place, outlet, self._stamp_s(now_s), is_offline=not self.is_open))

    def _say(self, call: Call | None) -> None:
        if call is not None:
            self.dialogue.say(call)

    # What it hears

    def _listen(self, frame: str | bytes, now_s: float) -> None:
        match self.dialogue.understand(frame):
            case Order() as order:
                self._obey(order, now_s)
            case Answer(call=call, payload=None):
                self._never_answered(call, now_s)
            case Answer(call=call, payload=dict(payload)):
                self._answered(call, payload, now_s)
            case bytes(refusal):
                self._out.append(refusal)
            case None:
                pass

    def _obey(self, order: Order, now_s: float) -> None:
        done = self.speech.obey(self.state, order.action, order.payload, self._stamp_s(now_s))
        self._out.append(result_frame(order, done))
        place = done.outlet if isinstance(done, Done) else None
        self.orders_count += 1
        self.orders.append(
            OrderSeen(
                at_s=now_s,
                charge_point=self.id,
                connector=None if place is None else self.outlets[place].id,
                action=order.action,
                status=done.status if isinstance(done, Done) else done.code,
                profile=done.profile if isinstance(done, Done) else None,
            )
        )
        if self.state.profiles is not self.charger.profiles:
            self.charger.install(self.state.profiles, now_s)
        if isinstance(done, Done) and done.wish is not None:
            self._fulfil(done.wish, now_s)
        self._tell_changes(now_s)

    def _fulfil(self, wish: Wish, now_s: float) -> None:
        match wish:
            case Start():
                self._begin(wish, now_s)
            case Stop(outlet=place):
                self._end(place, now_s, Reason.REMOTE)
            case Restart():
                self.state.booted_by = "RemoteReset"
                self._rhythm.once(Beat.RESET, now_s + RESET_AFTER_S)
            case Say(kind=CallKind.BOOT):
                self._say_boot(now_s)
            case Say(kind=CallKind.HEARTBEAT):
                self.dialogue.say(self.speech.heartbeat(self._stamp_s(now_s)))
            case Say(kind=kind, outlet=place):
                for each in range(len(self.outlets)) if place is None else (place,):
                    self._say_of(kind, each, now_s)

    def _say_of(self, kind: CallKind, place: int, now_s: float) -> None:
        outlet = self.outlets[place]
        if kind is CallKind.SAMPLE:
            self._sample(place, now_s, "Trigger")
        elif kind is CallKind.STATUS:
            self._say(self.speech.status(self.state, place, self._stamp_s(now_s)))
        else:
            self._say(self.speech.change(place, outlet, self._stamp_s(now_s), is_offline=False, is_asked=True))

    def _answered(self, call: Call, payload: dict[str, object], now_s: float) -> None:
        reply = self.speech.reply(call, payload)
        outlet = None if call.outlet is None else self.outlets[call.outlet]
        if call.kind is CallKind.BOOT:
            self._booted(reply.is_accepted, reply.interval_s, now_s)
        elif call.kind is CallKind.AUTHORIZE and outlet is not None and outlet.stage is Stage.ASKED:
            if reply.is_accepted:
                assert call.outlet is not None
                self._begin(Start(outlet=call.outlet, id_tag=_id_tag(outlet), profile=None), now_s)
            else:
                outlet.stage, outlet.stage_since_s = Stage.ENDED, now_s
        elif call.kind is CallKind.START and call.transaction is not None:
            if call.transaction.id is None:
                call.transaction.id = reply.transaction
            if not reply.is_accepted and outlet is not None and outlet.transaction is call.transaction:
                assert call.outlet is not None
                self._end(call.outlet, now_s, Reason.NOT_AUTHORIZED)
        self._tell_changes(now_s)

    def _booted(self, is_accepted: bool, interval_s: int | None, now_s: float) -> None:
        if not is_accepted:
            self._rhythm.once(Beat.BOOT, now_s + max(1, interval_s or BOOT_AGAIN_S))
            return
        self.is_accepted = True
        self._rhythm.stop(Beat.BOOT)
        if interval_s:
            self.state.configuration.heartbeat_s = interval_s
        for outlet in self.outlets:
            outlet.told = None
        self._say(self.speech.status(self.state, None, self._stamp_s(now_s)))
        self._tell_changes(now_s)
        for place in range(len(self.outlets)):
            self._ask(place, now_s)

    def _never_answered(self, call: Call, now_s: float) -> None:
        """Refused with an error, or lost with the connection."""
        outlet = None if call.outlet is None else self.outlets[call.outlet]
        if call.kind is CallKind.BOOT and self.is_open:
            self._rhythm.once(Beat.BOOT, now_s + BOOT_AGAIN_S)
        if call.kind in (CallKind.START, CallKind.STOP) and self.is_open and call.attempts < MOST_ATTEMPTS:
            self._again.append((now_s + AGAIN_S * call.attempts, call))
        if call.kind is CallKind.STATUS and outlet is not None:
            outlet.told = None
        if call.kind is CallKind.AUTHORIZE and outlet is not None and outlet.stage is Stage.ASKED:
            outlet.stage = Stage.PLUGGED

    def _stamp_s(self, now_s: float) -> float:
        """What its own clock shows."""
        return now_s + self.charger.clock_ahead_s

    def _own_limit(self, place: int | None, own_s: float) -> tuple[int, float]:
        """By its own clock, as it tells whoever asks."""
        ahead_s = self.charger.clock_ahead_s
        limit, until_s = self.charger.own_limit(place, own_s - ahead_s)
        return limit, until_s + ahead_s

    def _refuses(self, profile: Profile) -> str:
        return self.behaviour.refuses(profile)


def _id_tag(outlet: Outlet) -> str:
    """What the vehicle shows: at most 20 characters."""
    return "" if outlet.vehicle is None else outlet.vehicle.id[-20:]
