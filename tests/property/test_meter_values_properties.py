"""Meter values, whatever a charge point sends: never an error, the same in any order and in any unit."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from busbar.adapters.ocpp.meter_values import MOST_MA, MOST_W, Reading, Wiring, readings, readings_and_oddities

AT = datetime(2026, 7, 14, 12, tzinfo=UTC)
STAMPS = tuple((AT + timedelta(seconds=10 * number)).isoformat() for number in range(3))

wirings = st.builds(
    Wiring,
    is_ac=st.booleans(),
    phase_count=st.integers(1, 3),
    line_to_line=st.just(False),
    voltage_v=st.sampled_from((208, 230, 400, 415, 480)),
    power_factor_permille=st.integers(500, 1000),
    efficiency_permille=st.integers(800, 1000),
) | st.builds(
    Wiring,
    is_ac=st.just(True),
    phase_count=st.just(2),
    line_to_line=st.just(True),
    voltage_v=st.sampled_from((208, 240)),
    power_factor_permille=st.integers(500, 1000),
)

MEASURANDS = ("Current.Import", "Power.Active.Import", "Voltage", "Energy.Active.Import.Register", "SoC")
UNITS = {"Current.Import": "A", "Power.Active.Import": "W", "Voltage": "V", "SoC": "Percent"}
numbers = st.integers(-1000, 100_000).map(str) | st.decimals(-10, 1000, places=2).map(str)


@st.composite
def sampled_values(draw: st.DrawFn) -> dict[str, Any]:
    measurand = draw(st.sampled_from(MEASURANDS))
    return {
        "measurand": measurand,
        "unit": UNITS.get(measurand, "Wh"),
        "value": draw(numbers),
        "phase": draw(st.sampled_from((None, "L1", "L2", "L3", "N", "L1-N", "L2-N", "L3-N", "L1-L2", "L2-L3"))),
        "location": draw(st.sampled_from((None, "Outlet", "Inlet", "Body", "EV"))),
    }


elements = st.fixed_dictionaries(
    {"timestamp": st.sampled_from(STAMPS), "sampledValue": st.lists(sampled_values(), max_size=6)}
)
befores = st.none() | st.builds(
    Reading,
    sampled_at=st.integers(-2000, 30).map(lambda after_s: AT + timedelta(seconds=after_s)),
    draw=st.none(),
    power_w=st.none(),
    phases_ma=st.none(),
    energy_wh=st.none() | st.integers(0, 100_000),
    soc=st.none(),
)

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(
        (*MEASURANDS, *STAMPS, "A", "kW", "Percent", "L1", "L9", "Inlet", "1e99", "-0", "1,5", "SignedData")
    )
)
KEYS = ("timestamp", "sampledValue", "value", "measurand", "unit", "unitOfMeasure", "multiplier", "phase", "location")
junk = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=25,
)
stamped_junk = st.lists(
    st.fixed_dictionaries({"timestamp": st.sampled_from(STAMPS) | scalars, "sampledValue": junk}), max_size=4
)
sampled_junk = st.lists(
    st.fixed_dictionaries(
        {
            "timestamp": st.sampled_from(STAMPS),
            "sampledValue": st.lists(
                st.fixed_dictionaries(
                    {"measurand": st.sampled_from(MEASURANDS), "value": scalars}, optional=dict.fromkeys(KEYS[4:], junk)
                ),
                max_size=4,
            ),
        }
    ),
    max_size=3,
)


@given(junk | stamped_junk | sampled_junk, wirings, befores)
def test_whatever_is_sent_a_reading_is_plausible_and_nothing_is_raised(
    sent: Any, wiring: Wiring, before: Reading | None
) -> None:
    found = readings_and_oddities(sent, wiring, before)
    stamps = [reading.sampled_at for reading in found.readings]
    assert stamps == sorted(set(stamps))
    assert all(count > 0 for count in found.oddities.values())
    for reading in found.readings:
        assert reading.sampled_at.utcoffset() == timedelta(0)
        assert reading.draw is None or reading.draw >= 0
        assert reading.power_w is None or reading.power_w >= 0
        assert wiring.is_ac or reading.draw == reading.power_w
        assert reading.energy_wh is None or reading.energy_wh >= 0
        assert reading.soc is None or 0 <= reading.soc <= 1
        if reading.phases_ma is not None:
            told = [value for value in reading.phases_ma if value is not None]
            assert wiring.is_ac
            assert len(told) <= wiring.phase_count
            assert max(told) <= (reading.draw or 0) <= MOST_MA


@given(st.lists(elements, max_size=4), wirings, befores, st.randoms(use_true_random=False))
def test_the_order_of_what_is_sent_does_not_matter(
    sent: list[dict[str, Any]], wiring: Wiring, before: Reading | None, random: Any
) -> None:
    shuffled = [{**element, "sampledValue": random.sample(element["sampledValue"], len(element["sampledValue"]))}
                for element in random.sample(sent, len(sent))]  # fmt: skip
    assert readings_and_oddities(shuffled, wiring, before) == readings_and_oddities(sent, wiring, before)


@given(st.lists(elements, max_size=4), wirings, befores)
def test_one_element_or_one_for_each_value_is_the_same(
    sent: list[dict[str, Any]], wiring: Wiring, before: Reading | None
) -> None:
    apart = [
        {"timestamp": element["timestamp"], "sampledValue": [sampled]}
        for element in sent
        for sampled in element["sampledValue"] or [{"measurand": "Temperature"}]
    ]
    assert readings(apart, wiring, before) == readings(sent, wiring, before)


def _in_thousands(sampled: dict[str, Any]) -> dict[str, Any]:
    return {**sampled, "unit": f"k{sampled['unit']}", "value": f"{sampled['value']}e-3"}


def _as_201(sampled: dict[str, Any]) -> dict[str, Any]:
    rest = {key: value for key, value in sampled.items() if key != "unit"}
    unit = {"unit": sampled["unit"], "multiplier": -2}
    return {**rest, "value": f"{sampled['value']}e2", "unitOfMeasure": unit}


@given(st.lists(elements, max_size=3), wirings, befores)
def test_the_unit_does_not_matter(sent: list[dict[str, Any]], wiring: Wiring, before: Reading | None) -> None:
    def told(change: Any) -> list[dict[str, Any]]:
        return [{**element, "sampledValue": [change(each) for each in element["sampledValue"]]} for element in sent]

    plain = [replace(reading, mark=None) for reading in readings(sent, wiring, before)]
    for change in (lambda each: each if each["unit"] == "Percent" else _in_thousands(each), _as_201):
        assert [replace(reading, mark=None) for reading in readings(told(change), wiring, before)] == plain


@given(st.integers(0, 80_000), st.integers(180, 260), wirings)
def test_more_power_is_never_less_draw(power_w: int, volts: int, wiring: Wiring) -> None:
    def draw(watts: int) -> int:
        sampled = [
            {"measurand": "Power.Active.Import", "value": watts, "unit": "W"},
            {"measurand": "Voltage", "value": volts, "unit": "V"},
        ]
        (reading,) = readings([{"timestamp": STAMPS[0], "sampledValue": sampled}], wiring, None)
        assert reading.draw is not None
        assert (reading.power_w or 0) <= MOST_W
        return reading.draw

    assert draw(0) == 0
    assert draw(power_w) <= draw(power_w + 100)
