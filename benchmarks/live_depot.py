"""A depot for `live.py`: alike all over, so that one limit at its top moves the setpoint of every charge point."""

from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot
from busbar.core.units import ActivePower, Current

DEPOT_ID = "bench"
CHARGE_POINTS_PER_CIRCUIT = 20
CIRCUITS_PER_GRID_CONNECTION = 25
FULL_W = 19_000
"""What every charge point is given at first: below what each of them could take."""


def live_depot(count: int) -> Depot:
    """`count` charge points with one connector each, AC (32 A) and DC (60 kW) in turns; only the depot limits them."""
    circuit_count = -(-count // CHARGE_POINTS_PER_CIRCUIT)
    feeder_count = -(-circuit_count // CIRCUITS_PER_GRID_CONNECTION)
    room = Current(l1_ma=2_000_000, l2_ma=2_000_000, l3_ma=2_000_000)
    feeders = [
        Circuit(id=f"G{index}", default_operating_capacity=ActivePower(w=CIRCUITS_PER_GRID_CONNECTION * 2_000_000))
        for index in range(feeder_count)
    ]
    circuits = [
        Circuit(id=f"C{index}", parent=f"G{index % feeder_count}", default_operating_capacity=room)
        for index in range(circuit_count)
    ]
    return Depot(
        id=DEPOT_ID,
        voltage_v=415,
        limit=ActivePower(w=count * FULL_W),
        circuits=(*feeders, *circuits),
        charge_points=tuple(_charge_point(index, f"C{index % circuit_count}") for index in range(count)),
    )


def _charge_point(index: int, circuit: str) -> ChargePoint:
    if index % 2 == 0:
        wired = Connector(id="1", max_rating=32_000, minimum=6_000, step=100)
        return ChargePoint(
            id=f"P{index}", circuit=circuit, current=CurrentKind.AC, max_rating=32_000, connectors=(wired,)
        )
    wired = Connector(id="1", max_rating=60_000, minimum=1_000, step=100)
    return ChargePoint(
        id=f"P{index}",
        circuit=circuit,
        current=CurrentKind.DC,
        max_rating=60_000,
        connectors=(wired,),
        efficiency_permille=940,
    )


def cut_to(count: int, each_w: int) -> ActivePower:
    """The limit at the top under which every charge point has so much."""
    return ActivePower(w=count * each_w)
