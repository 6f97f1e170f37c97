"""What Prometheus is told: it parses, its names are what Prometheus asks of names, and its figures are the status's."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, cast

import httpx
import pytest
from fastapi import FastAPI, Header, HTTPException
from made_moments import depot_projection, made_moment
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from busbar.core.demand import Reason
from busbar.core.describe import NodeState
from busbar.core.snapshot import Mode
from busbar.engine.access import Role, Token
from busbar.engine.breach_record import BreachCause, BreachRecord
from busbar.engine.figures import Figures
from busbar.engine.moment import Alarm, Moment
from busbar.engine.status import nodes_now
from busbar.entrypoints.api.metrics import BUCKETS_S, add_metrics, vehicles_by_state
from busbar.entrypoints.api.served import Served


def figures(**changes: Any) -> Figures:
    made = Figures(
        cycles=7,
        outcomes={"APPLIED": 4, "CONSTRAINED": 3},
        overruns=1,
        failures=0,
        durations_s=(0.004, 0.02, 3.0),
        orders={"sent": 9, "acknowledged": 8, "refused": 1},
        connected=15,
        charge_points=16,
        breaches={"base_load": 2},
    )
    return replace(made, **changes)


@dataclass
class MadeService:
    """Depots as a test wants them."""

    moments: Mapping[str, Moment | None]
    counted: dict[str, list[Figures]] = field(default_factory=dict)
    """What is told, scrape by scrape; the last one again and again, without its durations."""

    def depots(self) -> Sequence[str]:
        return sorted(self.moments)

    def moment(self, depot_id: str) -> Moment | None:
        return self.moments[depot_id]

    def figures(self, depot_id: str) -> Figures:
        left = self.counted.setdefault(depot_id, [figures()])
        told = left[0]
        left[:] = left[1:] or [replace(told, durations_s=())]
        return told


def token(depot_id: str | None = None) -> Token:
    return Token(
        id=1, name="prometheus", role=Role.VIEWER, secret_hash="", depot_id=depot_id, created_at=datetime.now(UTC)
    )


def interface(service: MadeService) -> FastAPI:
    async def authorise(authorization: Annotated[str, Header()] = "") -> Token:
        kind, _, secret = authorization.partition(" ")
        if kind != "Bearer" or secret not in ("all", *service.moments):
            raise HTTPException(401)
        return token(None if secret == "all" else secret)

    app = FastAPI()
    add_metrics(app, cast(Served, service), authorise)
    return app


def asked(app: FastAPI, secret: str = "all", **headers: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://busbar") as client:
            return await client.get("/metrics", headers={"Authorization": f"Bearer {secret}", **headers})

    return asyncio.run(ask())


def scraped(app: FastAPI, secret: str = "all") -> dict[str, Metric]:
    answer = asked(app, secret)
    assert answer.status_code == 200
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


def value(found: Mapping[str, Metric], name: str, **labels: str) -> float | None:
    """Of the one sample with these labels; None: there is none."""
    values = [
        sample.value
        for family in found.values()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    assert len(values) <= 1, f"{name} {labels} stands for {len(values)} series"
    return values[0] if values else None


def breach(node: str, cause: BreachCause, *, number: int = 1) -> BreachRecord:
    at = datetime.now(UTC) - timedelta(minutes=2)
    return BreachRecord(
        id=f"B{number}",
        node=node,
        row="L1",
        started_at=at,
        opened_at=at,
        limit=1000,
        limit_name="default_operating_capacity",
        peak=1200,
        peak_at=at,
        energy_over_wh=3,
        cause=cause,
        sentence="",
    )


@pytest.fixture(scope="module")
def busy() -> Moment:
    """A safe node, two breaches and an alarm."""
    return made_moment(
        modes={"GC2": Mode.SAFE},
        breaches=(breach("C1", BreachCause.BASE_LOAD), breach("C1", BreachCause.BASE_LOAD, number=2)),
        alarms=(Alarm(kind="meter", node="GC2", text="It is silent."),),
    )


def test_it_parses_and_names_are_as_prometheus_asks(busy: Moment) -> None:
    found = scraped(interface(MadeService({"wa_pta": busy})))
    ours = {name: family for name, family in found.items() if name.startswith("busbar_")}
    assert len(ours) >= 20
    for name, family in ours.items():
        assert family.documentation.endswith(".")
        assert family.type in ("gauge", "counter", "histogram")
        # Whatever is measured has its unit last.
        if any(word in name for word in ("duration", "age")):
            assert name.endswith("_seconds")
        if any(word in name for word in ("limit", "measured", "committed", "headroom")):
            assert name.endswith(("_amperes", "_watts", "_seconds"))
        for sample in family.samples:
            assert sample.labels["depot"] == "wa_pta"
            assert family.type != "counter" or sample.name.endswith("_total")
    assert "process_cpu_seconds" in found
    assert "process_resident_memory_bytes" in found


def test_figures_are_those_of_the_status(busy: Moment) -> None:
    found = scraped(interface(MadeService({"wa_pta": busy})))
    nodes = {node.id: node for node in nodes_now(busy)}
    compared = 0
    for node_id in ("wa_pta", "GC1", "SB1", "C1", "GC2"):
        node = nodes[node_id]
        for what, rows in (
            ("limit", node.rows.limit),
            ("committed", node.rows.committed),
            ("headroom", node.rows.headroom),
            ("measured", node.measured or (None,) * 4),
        ):
            for row, label in enumerate(("L1", "L2", "L3")):
                told = value(found, f"busbar_node_{what}_amperes", node=node_id, row=label)
                wanted = rows[row]
                assert told == (None if wanted is None else wanted / 1000)
                compared += told is not None
            assert value(found, f"busbar_node_{what}_watts", node=node_id) == rows[3]
    assert compared > 30


def test_each_node_is_in_one_state(busy: Moment) -> None:
    found = scraped(interface(MadeService({"wa_pta": busy})))
    for node in nodes_now(busy):
        states = {state: value(found, "busbar_node_state", node=node.id, state=state.value) for state in NodeState}
        if "/" in node.id or node.id.startswith("PU"):
            assert set(states.values()) == {None}
        else:
            assert {state for state, is_so in states.items() if is_so} == {node.state}
    assert value(found, "busbar_node_state", node="C1", state="BREACHED") == 1
    assert value(found, "busbar_node_safe", node="GC2") == 1
    assert value(found, "busbar_node_safe", node="GC1") == 0


def test_nothing_is_told_of_single_charge_points_or_connectors(busy: Moment) -> None:
    found = scraped(interface(MadeService({"wa_pta": busy})))
    projection = busy.projection
    circuits = sum(kind.value in ("MICROGRID", "GRID_CONNECTION", "CIRCUIT") for kind in projection.kinds)
    samples = [sample for family in found.values() for sample in family.samples if "node" in sample.labels]
    assert {sample.labels["node"] for sample in samples} <= set(projection.node_ids[:1]) | {
        circuit.id for circuit in projection.depot.circuits
    }
    assert len(samples) <= 25 * circuits


def test_counts_are_told_even_where_they_are_none(busy: Moment) -> None:
    found = scraped(interface(MadeService({"wa_pta": busy})))
    assert value(found, "busbar_cycles_total", outcome="CONSTRAINED") == 3
    assert value(found, "busbar_cycles_total", outcome="FAILED") == 0
    assert value(found, "busbar_setpoints_total", result="acknowledged") == 8
    assert value(found, "busbar_setpoints_total", result="no_answer") == 0
    assert value(found, "busbar_breaches_total", cause="base_load") == 2
    assert value(found, "busbar_breaches_total", cause="commanded") == 0
    assert value(found, "busbar_charge_points_connected") == 15
    assert value(found, "busbar_charge_points") == 16
    assert value(found, "busbar_cycle_overruns_total") == 1
    assert value(found, "busbar_cycle_number") == busy.record.number


def test_open_breaches_and_alarms_are_counted(busy: Moment) -> None:
    found = scraped(interface(MadeService({"wa_pta": busy})))
    assert value(found, "busbar_breaches_open", node="C1", cause="base_load") == 2
    assert len(found["busbar_breaches_open"].samples) == 1
    assert value(found, "busbar_alarms", kind="meter") == 1


def test_the_age_of_the_last_cycle_grows_with_time() -> None:
    old = made_moment(at=datetime.now(UTC) - timedelta(seconds=90))
    age_s = value(scraped(interface(MadeService({"wa_pta": old}))), "busbar_cycle_age_seconds")
    assert age_s is not None
    assert 89 < age_s < 120


def test_durations_are_kept_from_scrape_to_scrape() -> None:
    told = [figures(), figures(durations_s=(0.02, 99.0))]
    app = interface(MadeService({"wa_pta": None}, {"wa_pta": told}))
    first, second, third = scraped(app), scraped(app), scraped(app)
    name = "busbar_cycle_duration_seconds"
    assert (value(first, f"{name}_count"), value(second, f"{name}_count")) == (3, 5)
    assert value(third, f"{name}_count") == 5
    assert value(third, f"{name}_sum") == pytest.approx(0.004 + 0.02 + 3.0 + 0.02 + 99.0)
    assert value(third, f"{name}_bucket", le="0.005") == 1
    assert value(third, f"{name}_bucket", le="0.025") == 3
    assert value(third, f"{name}_bucket", le="10.0") == 4
    assert value(third, f"{name}_bucket", le="+Inf") == 5


def test_a_bound_counts_what_is_exactly_at_it() -> None:
    told = [figures(durations_s=(BUCKETS_S[2],))]
    found = scraped(interface(MadeService({"wa_pta": None}, {"wa_pta": told})))
    assert value(found, "busbar_cycle_duration_seconds_bucket", le="0.01") == 0
    assert value(found, "busbar_cycle_duration_seconds_bucket", le="0.025") == 1


def test_a_depot_before_its_first_cycle_has_its_counts_alone() -> None:
    found = scraped(interface(MadeService({"wa_pta": None})))
    assert value(found, "busbar_charge_points") == 16
    assert value(found, "busbar_cycle_number") is None
    assert found["busbar_node_state"].samples == []


def test_a_token_of_one_depot_is_shown_that_one_and_costs_the_other_nothing() -> None:
    moments = {"wa_pta": made_moment(), "yard": None}
    app = interface(MadeService(moments))
    mine = scraped(app, "wa_pta")
    depots = {sample.labels.get("depot") for family in mine.values() for sample in family.samples}
    assert depots == {"wa_pta", None}
    assert value(scraped(app), "busbar_cycle_duration_seconds_count", depot="yard") == 3


def test_without_a_token_nothing_is_told() -> None:
    app = interface(MadeService({"wa_pta": None}))
    answer = asked(app, "another")
    assert answer.status_code == 401
    assert "busbar_" not in answer.text


def test_open_metrics_is_told_to_who_asks_for_it() -> None:
    answer = asked(interface(MadeService({"wa_pta": None})), Accept="application/openmetrics-text; version=1.0.0")
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


def test_each_vehicle_is_counted_once() -> None:
    moment = made_moment(vehicles=6)
    leaves = list(moment.plugged)
    reasons = [Reason.FULL, Reason.PAUSED, Reason.RATING, Reason.RATING, Reason.HELD, Reason.MAKES_ROOM]
    plugged = {leaf: replace(moment.plugged[leaf], reason=reason) for leaf, reason in zip(leaves, reasons, strict=True)}
    setpoint, request = moment.setpoint.copy(), moment.snapshot.request.copy()
    index = [depot_projection().leaf_index[leaf] for leaf in leaves]
    setpoint[index[2]], setpoint[index[3]], setpoint[index[4]], request[index[4]] = 50_000, 0, 0, 0
    changed = replace(moment, plugged=plugged, setpoint=setpoint, snapshot=replace(moment.snapshot, request=request))
    assert vehicles_by_state(changed) == {"full": 2, "paused": 1, "charging": 1, "waiting": 1, "idle": 1}
