"""`GET /metrics` for Prometheus: how cycles go, and what flows where.

Series are of the depot, and of the microgrid, grid connections and circuits: never of a charge point or connector, of
which there may be ten thousand (those are in the API's status). Their number grows with the wiring, by some twenty for
each circuit, and with nothing else.
"""

import asyncio
from bisect import bisect_left
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from typing import Annotated

from fastapi import Depends, FastAPI, Request, Response
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector, CollectorRegistry

from busbar.core.demand import Reason
from busbar.core.describe import NodeState
from busbar.core.projection import NodeKind
from busbar.core.snapshot import Mode
from busbar.core.units import PHASES
from busbar.engine.access import Token
from busbar.engine.breach_record import BreachCause
from busbar.engine.figures import Figures
from busbar.engine.moment import Moment
from busbar.engine.ports import CycleOutcome
from busbar.engine.status import NodeNow, nodes_now
from busbar.entrypoints.api.served import Served

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SETPOINT_RESULTS = ("sent", "acknowledged", "refused", "no_answer", "unsaved")
VEHICLE_STATES = ("charging", "waiting", "full", "paused", "idle")
_MEASURED_KINDS = (NodeKind.MICROGRID, NodeKind.GRID_CONNECTION, NodeKind.CIRCUIT)
_TOTAL = len(PHASES)
_HELP = {
    "limit": "What may flow at the node, base load included.",
    "measured": "What flows at the node by the meters; missing where it is not known.",
    "committed": "The most that charge points below the node may still draw, given everything ever sent.",
    "headroom": "What is available to charge points at the node less what is reserved for them.",
}


@dataclass(slots=True)
class Durations:
    """How long cycles took, since the process began. (It goes on counting.)"""

    counts: list[int]
    """By bucket; the last is of those beyond all."""
    sum_s: float = 0.0

    def take(self, durations_s: Sequence[float]) -> None:
        """More of them."""
        for duration_s in durations_s:
            self.counts[bisect_left(BUCKETS_S, duration_s)] += 1
            self.sum_s += duration_s

    def buckets(self) -> list[tuple[str, float]]:
        """As Prometheus counts them: up to each bound."""
        bounds = [*map(str, BUCKETS_S), "+Inf"]
        return list(zip(bounds, map(float, accumulate(self.counts)), strict=True))


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """One depot when it was asked."""

    depot_id: str
    figures: Figures
    moment: Moment | None
    """None: no cycle yet."""
    durations: Durations


def add_metrics(app: FastAPI, served: Served, authorise: Callable[..., Awaitable[Token | None]]) -> None:
    """Answer `GET /metrics`. `authorise` is a dependency that refuses whoever may not read, and gives the token of
    whoever may: one of a single depot is shown that depot alone. None: they may see all."""
    process = ProcessCollector(registry=CollectorRegistry())
    counted: dict[str, Durations] = {}

    @app.get("/metrics", include_in_schema=False)
    async def metrics(request: Request, token: Annotated[Token | None, Depends(authorise)]) -> Response:
        """Prometheus text, or OpenMetrics where it is asked for."""
        # Asked of every depot, whoever asks: the durations are told once, to the first who asks.
        seen = [_seen(served, depot_id, counted) for depot_id in served.depots()]
        only = None if token is None else token.depot_id
        shown = [each for each in seen if only in (None, each.depot_id)]
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        # In a thread: thousands of connectors are added up, and others are waiting.
        text = await asyncio.to_thread(encode, _Scrape(shown, process))
        return Response(text, media_type=content_type)


def _seen(served: Served, depot_id: str, counted: dict[str, Durations]) -> Seen:
    figures = served.figures(depot_id)
    durations = counted.setdefault(depot_id, Durations(counts=[0] * (len(BUCKETS_S) + 1)))
    durations.take(figures.durations_s)
    frozen = Durations(counts=list(durations.counts), sum_s=durations.sum_s)
    return Seen(depot_id=depot_id, figures=figures, moment=served.moment(depot_id), durations=frozen)


class _Scrape(Collector):
    """Everything there is to tell, once."""

    def __init__(self, seen: Sequence[Seen], process: ProcessCollector) -> None:
        self._seen, self._process = seen, process

    def collect(self) -> Iterable[Metric]:
        """The families, one after the other."""
        yield from families(self._seen, now=datetime.now(UTC))
        yield from self._process.collect()


def families(seen: Sequence[Seen], *, now: datetime) -> Iterator[Metric]:
    """Every metric of these depots. A depot without a cycle yet has its counts alone."""
    yield from _of_cycles(seen, now)
    yield from _of_charge_points(seen)
    yield from _of_breaches(seen)
    moments = [(each.depot_id, each.moment) for each in seen if each.moment is not None]
    nodes = [
        (depot_id, node) for depot_id, moment in moments for node in nodes_now(moment) if node.kind in _MEASURED_KINDS
    ]
    yield from _of_nodes(nodes)
    yield from _of_moments(moments)


def _of_cycles(seen: Sequence[Seen], now: datetime) -> Iterator[Metric]:
    took = HistogramMetricFamily("busbar_cycle_duration_seconds", "How long a cycle's decision took.", labels=["depot"])
    cycles = _counter("busbar_cycles", "Cycles by how they ended.", "depot", "outcome")
    overruns = _counter("busbar_cycle_overruns", "Cycles that took longer than their interval.", "depot")
    failures = _counter("busbar_cycle_failures", "Cycles that were given up.", "depot")
    number = _gauge("busbar_cycle_number", "The last cycle's number.", "depot")
    age = _gauge("busbar_cycle_age_seconds", "How long ago the last cycle looked at the depot.", "depot")
    for each in seen:
        took.add_metric([each.depot_id], each.durations.buckets(), each.durations.sum_s)
        for outcome in CycleOutcome:
            cycles.add_metric([each.depot_id, outcome.value], each.figures.outcomes.get(outcome.value, 0))
        overruns.add_metric([each.depot_id], each.figures.overruns)
        failures.add_metric([each.depot_id], each.figures.failures)
        if each.moment is not None:
            number.add_metric([each.depot_id], each.moment.record.number)
            age.add_metric([each.depot_id], max(0.0, (now - each.moment.at).total_seconds()))
    yield from (took, cycles, overruns, failures, number, age)


def _of_charge_points(seen: Sequence[Seen]) -> Iterator[Metric]:
    there = _gauge("busbar_charge_points", "Charge points of the depot.", "depot")
    connected = _gauge("busbar_charge_points_connected", "Charge points that can be told something now.", "depot")
    setpoints = _counter("busbar_setpoints", "Setpoints by what became of them.", "depot", "result")
    for each in seen:
        there.add_metric([each.depot_id], each.figures.charge_points)
        connected.add_metric([each.depot_id], each.figures.connected)
        for result in SETPOINT_RESULTS:
            setpoints.add_metric([each.depot_id, result], each.figures.orders.get(result, 0))
    yield from (there, connected, setpoints)


def _of_breaches(seen: Sequence[Seen]) -> Iterator[Metric]:
    opened = _counter("busbar_breaches", "Breaches that were opened, by cause.", "depot", "cause")
    is_open = _gauge(
        "busbar_breaches_open", "Breaches that go on; no series where none does.", "depot", "node", "cause"
    )
    for each in seen:
        for cause in BreachCause:
            opened.add_metric([each.depot_id, cause.value], each.figures.breaches.get(cause.value, 0))
        going_on = Counter(
            (breach.node, breach.cause.value) for breach in (each.moment.breaches if each.moment is not None else ())
        )
        for (node, cause_value), count in sorted(going_on.items()):
            is_open.add_metric([each.depot_id, node, cause_value], count)
    yield from (opened, is_open)


def _of_nodes(nodes: Sequence[tuple[str, NodeNow]]) -> Iterator[Metric]:
    for what, help_ in _HELP.items():
        amperes = _gauge(
            f"busbar_node_{what}_amperes", f"{help_} At the depot's nominal voltage.", "depot", "node", "row"
        )
        watts = _gauge(f"busbar_node_{what}_watts", f"{help_} In total.", "depot", "node")
        for depot_id, node in nodes:
            rows = node.measured if what == "measured" else _rows(node)[what]
            for row, value in enumerate(rows or ()):
                if value is not None and row < _TOTAL:
                    amperes.add_metric([depot_id, node.id, PHASES[row].value], value / 1000)
                elif value is not None:
                    watts.add_metric([depot_id, node.id], value)
        yield from (amperes, watts)
    state = _gauge("busbar_node_state", "1 for the state that the node is in.", "depot", "node", "state")
    safe = _gauge("busbar_node_safe", "1 where the node is SAFE: its base load is not known.", "depot", "node")
    age = _gauge("busbar_node_measured_age_seconds", "How old the oldest sample in it is.", "depot", "node")
    for depot_id, node in nodes:
        for each in NodeState:
            state.add_metric([depot_id, node.id, each.value], node.state is each)
        safe.add_metric([depot_id, node.id], node.mode is Mode.SAFE)
        if node.age_s is not None:
            age.add_metric([depot_id, node.id], node.age_s)
    yield from (state, safe, age)


def _rows(node: NodeNow) -> Mapping[str, Sequence[int | None]]:
    return {"limit": node.rows.limit, "committed": node.rows.committed, "headroom": node.rows.headroom}


def _of_moments(moments: Sequence[tuple[str, Moment]]) -> Iterator[Metric]:
    vehicles = _gauge("busbar_vehicles", "Vehicles by how they are served.", "depot", "state")
    alarms = _gauge("busbar_alarms", "What a person should look at; no series where there is nothing.", "depot", "kind")
    for depot_id, moment in moments:
        counts = vehicles_by_state(moment)
        for state in VEHICLE_STATES:
            vehicles.add_metric([depot_id, state], counts[state])
        for kind, count in sorted(Counter(alarm.kind for alarm in moment.alarms).items()):
            alarms.add_metric([depot_id, kind], count)
    yield from (vehicles, alarms)


def vehicles_by_state(moment: Moment) -> Counter[str]:
    """Each vehicle once: full or paused by its own will; else charging where it is given something, waiting where it
    wants something and is given nothing, idle where it wants nothing."""
    found: Counter[str] = Counter()
    for connector, plugged in moment.plugged.items():
        leaf = moment.projection.leaf_index[connector]
        if plugged.reason in (Reason.FULL, Reason.MAKES_ROOM):
            found["full"] += 1
        elif plugged.reason is Reason.PAUSED:
            found["paused"] += 1
        elif moment.setpoint[leaf] > 0:
            found["charging"] += 1
        else:
            found["waiting" if moment.snapshot.request[leaf] > 0 else "idle"] += 1
    return found


def _gauge(name: str, help_: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_, labels=labels)


def _counter(name: str, help_: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(name, help_, labels=labels)
