"""A depot of a thousand connectors, larger than any that is known."""

from functools import cache

from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot
from busbar.core.projection import Projection, project
from busbar.core.units import ApparentPower

GRID_CONNECTIONS = 5
CIRCUITS = 25
CHARGE_POINTS_PER_CIRCUIT = 10
CONNECTORS_PER_CHARGE_POINT = 4


@cache
def large_projection() -> Projection:
    """Five grid connections, 25 circuits, 250 charge points of four connectors."""
    grids = [
        Circuit(
            id=f"G{number}",
            name=f"Grid connection {number}",
            default_operating_capacity=ApparentPower(va=5_000_000),
            safe_operating_capacity=ApparentPower(va=3_000_000),
            meter=True,
        )
        for number in range(1, GRID_CONNECTIONS + 1)
    ]
    circuits = [
        Circuit(
            id=f"C{number}",
            name=f"Feeder {number}",
            parent=f"G{1 + (number - 1) % GRID_CONNECTIONS}",
            default_operating_capacity=ApparentPower(va=900_000),
        )
        for number in range(1, CIRCUITS + 1)
    ]
    connectors = tuple(
        Connector(id=str(number), max_rating=150_000, minimum=10_000, step=1_000)
        for number in range(1, CONNECTORS_PER_CHARGE_POINT + 1)
    )
    charge_points = [
        ChargePoint(
            id=f"CP{number}",
            circuit=f"C{1 + (number - 1) // CHARGE_POINTS_PER_CIRCUIT}",
            current=CurrentKind.DC,
            max_rating=400_000,
            efficiency_permille=940,
            connectors=connectors,
        )
        for number in range(1, CIRCUITS * CHARGE_POINTS_PER_CIRCUIT + 1)
    ]
    return project(
        Depot(
            id="thousand",
            name="A thousand connectors",
            voltage_v=400,
            circuits=(*grids, *circuits),
            charge_points=tuple(charge_points),
        )
    )
