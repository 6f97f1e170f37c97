"""The proof that what charge points do by themselves fits the wiring."""

import subprocess
import sys

import numpy as np

from busbar.core.depot import ChargePoint, Circuit, Connector, CurrentKind, Depot
from busbar.core.fallbacks import Excess, fallbacks_that_do_not_fit
from busbar.core.projection import Projection, project
from busbar.core.units import ActivePower, Amount, Current


def _amperes(a: int) -> Current:
    return Current(l1_ma=a * 1000, l2_ma=a * 1000, l3_ma=a * 1000)


def _depot(*, safe: Amount | None, fallback: int, count: int = 4, **unit: object) -> Projection:
    connector = Connector(id="1", max_rating=32_000, minimum=6000, step=1000, fallback=fallback)
    circuits = (
        Circuit(id="G", default_operating_capacity=_amperes(200)),
        Circuit(id="C", parent="G", default_operating_capacity=_amperes(100), safe_operating_capacity=safe, meter=True),
    )
    units = tuple(
        ChargePoint(
            id=f"CP{index}",
            circuit="C",
            current=CurrentKind.AC,
            max_rating=32_000,
            connectors=(connector,),
            **unit,  # type: ignore[arg-type]
        )
        for index in range(count)
    )
    return project(Depot(id="depot", voltage_v=400, circuits=circuits, charge_points=units))


def test_fallbacks_that_fit_exactly_fit() -> None:
    assert fallbacks_that_do_not_fit(_depot(safe=_amperes(24), fallback=6000)) == []


def test_a_circuit_whose_fallbacks_do_not_fit_is_named_with_every_row_and_by_how_much() -> None:
    found = fallbacks_that_do_not_fit(_depot(safe=_amperes(23), fallback=6000))
    assert found == [Excess(node="C", row=row, reserved=24_000, available=23_000) for row in range(3)]


def test_a_fallback_that_is_not_believed_counts_as_the_rating() -> None:
    projection = _depot(safe=_amperes(50), fallback=0)
    assert fallbacks_that_do_not_fit(projection) == []
    one, two = (np.array([32_000 * (leaf < doubted) for leaf in range(4)]) for doubted in (1, 2))
    assert fallbacks_that_do_not_fit(projection, one) == []
    assert {(each.node, each.reserved) for each in fallbacks_that_do_not_fit(projection, two)} == {("C", 64_000)}


def test_nested_circuits_are_each_looked_at() -> None:
    every = np.full(8, 32_000)
    found = fallbacks_that_do_not_fit(_depot(safe=_amperes(50), fallback=0, count=8), every)
    assert {each.node for each in found} == {"G", "C"}


def test_no_charge_point_counts_for_more_than_its_rating() -> None:
    projection = _depot(safe=_amperes(40), fallback=0, count=1)
    assert fallbacks_that_do_not_fit(projection, np.array([60_000])) == []


def test_what_is_out_of_service_counts_nothing() -> None:
    projection = _depot(safe=_amperes(1), fallback=6000, in_service=False)
    assert fallbacks_that_do_not_fit(projection) == []
    assert fallbacks_that_do_not_fit(projection, np.full(4, 32_000)) == []


def test_a_safe_capacity_in_kw_is_compared_with_the_most_that_the_currents_may_be() -> None:
    projection = _depot(safe=ActivePower(w=4000), fallback=6000, count=1)
    (found,) = fallbacks_that_do_not_fit(projection)
    # 6 A at 420 V line to line, three phases, power factor 0.98.
    assert (found.node, found.row, found.available) == ("C", 3, 4000)
    assert 4270 < found.reserved < 4285


def test_asking_needs_no_compiler() -> None:
    code = "import sys, busbar.core.fallbacks; print(any(name.startswith('numba') for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"
