"""Depots, vehicles and cycles to store."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot, FairIn, Leaves, Sharing, Trust
from busbar.core.snapshot import Session
from busbar.core.units import ActivePower, ApparentPower, Current, Phase
from busbar.engine.access import Notice, NoticeKind, WriteRecord
from busbar.engine.breach_record import BreachCause, BreachRecord, Sample
from busbar.engine.ports import AllocationRecord, CycleOutcome, CycleRecord

NOON = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)


def each_phase(ma: int) -> Current:
    return Current(l1_ma=ma, l2_ma=ma, l3_ma=ma)


def dc(charge_point: str, circuit: str, *connectors: str) -> ChargePoint:
    plugs = (Connector(id=one, max_rating=150_000, minimum=10_000, step=1000) for one in connectors or ("1",))
    return ChargePoint(
        id=charge_point, circuit=circuit, current=CurrentKind.DC, max_rating=400_000, connectors=tuple(plugs)
    )


def circuit(name: str, *, parent: str | None = None, a: int = 640) -> Circuit:
    return Circuit(id=name, parent=parent, default_operating_capacity=each_phase(a * 1000))


TWO_FEEDERS = Depot(
    id="elizabeth",
    voltage_v=415,
    circuits=(
        circuit("GC1"),
        circuit("C1", parent="GC1"),
        circuit("GC2"),
        circuit("C2", parent="GC2"),
    ),
    charge_points=(dc("CP1", "C1", "1", "2"), dc("CP2", "C2")),
)

EVERYTHING = Depot(
    id="everything",
    voltage_v=415,
    name="Jeder Wert, den es gibt ⚡",
    timezone="Australia/Perth",
    voltage_margin_permille=60,
    base_power_factor_permille=850,
    limit=ApparentPower(va=2_000_500),
    strategy="least_laxity",
    leaves=Leaves.CHARGE_POINT,
    fair_in=FairIn.CURRENT,
    require=Trust.VERIFIED,
    circuits=(
        Circuit(
            id="C9",
            name="nested, and before its parent",
            parent="A1",
            default_operating_capacity=Current(l1_ma=32_000, l2_ma=32_001, l3_ma=None),
            safe_operating_capacity=Current(l1_ma=0, l2_ma=25_500, l3_ma=None),
            phases=(Phase.L2, Phase.L1),
            meter="modbus://10.0.0.7:502/1",
        ),
        Circuit(
            id="A1",
            default_operating_capacity=ApparentPower(va=1_200_000),
            safe_operating_capacity=ActivePower(w=1),
            rating=ApparentPower(va=1_500_000),
            voltage_v=11_000,
            base_load=ActivePower(w=-12_345),
            meter=True,
        ),
        Circuit(
            id="B0",
            default_operating_capacity=ActivePower(w=0),
            base_load=Current(l1_ma=-1, l2_ma=None, l3_ma=7),
        ),
    ),
    charge_points=(
        ChargePoint(
            id="Z",
            circuit="C9",
            current=CurrentKind.AC,
            max_rating=32_000,
            name="Säule",
            power_factor_permille=990,
            idle_load_w=40,
            in_service=False,
            connectors=(
                Connector(
                    id="2",
                    max_rating=32_000,
                    minimum=6000,
                    step=1000,
                    fallback=6000,
                    steps=(6000, 16_000, 32_000),
                    phases=(Phase.L2, Phase.L1),
                    line_to_line=True,
                ),
                Connector(id="1", max_rating=16_000, minimum=6000, step=100, phases=(Phase.L3,)),
            ),
        ),
        ChargePoint(
            id="A",
            circuit="B0",
            current=CurrentKind.DC,
            max_rating=400_000,
            efficiency_permille=945,
            sharing=Sharing.SEQUENTIAL,
            module_size=25_000,
            outputs=1,
            connectors=(Connector(id="1", max_rating=10**12, minimum=0, step=1),),
        ),
    ),
)


BUS = Session(
    connector="CP1/1",
    request=120_000,
    arrived=NOON,
    departs=LATER,
    energy_needed_wh=210_000,
    soc=0.31,
    priority=2,
    weight=1.5,
    charging=True,
    charging_since=NOON + timedelta(microseconds=1),
    waiting_since=NOON + timedelta(seconds=2),
    stopped_at=NOON + timedelta(seconds=3),
)
VAN = Session(connector="CP2/1")


def cycle(number: int, *, allocations: int = 2) -> CycleRecord:
    bound_by = {"node": "C1", "row": "L1", "limit": "default_operating_capacity", "reason": "full"}
    return CycleRecord(
        number=number,
        at=NOON + timedelta(seconds=number),
        trigger="session",
        strategy="equal_share",
        outcome=CycleOutcome.CONSTRAINED,
        duration_us=1234,
        allocations=tuple(
            AllocationRecord(
                leaf=f"CP{allocations - index}/1",
                request=120_000,
                setpoint=60_000 + index,
                unit="W",
                power_w=63_830,
                bound_by=None if index % 2 else bound_by,
            )
            for index in range(allocations)
        ),
        node_states={"GC1": "SAFE", "C1": "CONSTRAINED"},
        violations=("C1 L1: 641 A above 640 A",) if number % 2 else (),
        setpoints=({"connector": "CP1/1", "value": 60_000, "state": "settled"},) if number % 2 else (),
        inputs={"leaves": "connector", "vehicles": 2, "base_load": {"C1": {"L1": None}}} if number % 2 else {},
    )


def breach(name: str = "b1", node: str = "C1", *, started_at: datetime = NOON, **more: Any) -> BreachRecord:
    found = BreachRecord(
        id=name,
        node=node,
        row="L1",
        started_at=started_at,
        opened_at=started_at + timedelta(seconds=20),
        limit=640_000,
        limit_name="default_operating_capacity",
        peak=655_001,
        peak_at=started_at + timedelta(seconds=7),
        energy_over_wh=12,
        cause=BreachCause.CHARGE_POINT_DISOBEYS,
        sentence="CP1 draws 655 A of the 640 A that C1 may.",
        evidence={"charge_points": ["CP1"], "drawn_w": {"CP1": 12_000}, "above": None},
        parent=None,
        series=(
            Sample(at=started_at, flow=655_001, limit=640_000),
            Sample(at=started_at + timedelta(microseconds=1_000_001), flow=None, limit=None),
        ),
    )
    return replace(found, **more)


def write(action: str = "order", subject: str = "CP1/1", *, by: str = "Ann", **more: Any) -> WriteRecord:
    found = WriteRecord(
        depot_id="elizabeth",
        at=NOON,
        by=by,
        action=action,
        subject=subject,
        before=None,
        after={"kind": "hold", "limits": [1, None, 2.5], "nested": {"a": True}},
    )
    return replace(found, **more)


def notice(node: str = "C1", kind: NoticeKind = NoticeKind.BREACH_OPENED, *, at: datetime = NOON) -> Notice:
    return Notice(kind=kind, node=node, at=at, document={"node": node, "flow": 655_001, "rows": ["L1"]})
