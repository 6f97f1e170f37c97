"""Meter values in the forms that charge points send, and the readings they make."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from busbar.adapters.ocpp.meter_values import Reading, Wiring, readings, readings_and_oddities

AT = datetime(2026, 7, 14, 12, tzinfo=UTC)
AC = Wiring(is_ac=True, phase_count=3, line_to_line=False, voltage_v=400, power_factor_permille=1000)
ONE_WIRE = Wiring(is_ac=True, phase_count=1, line_to_line=False, voltage_v=400, power_factor_permille=1000)
BETWEEN_LINES = Wiring(is_ac=True, phase_count=2, line_to_line=True, voltage_v=208, power_factor_permille=1000)
DC = Wiring(is_ac=False, phase_count=3, line_to_line=False, voltage_v=400, power_factor_permille=1000)
Sampled = dict[str, Any]


def stamp(after_s: float = 0) -> str:
    return (AT + timedelta(seconds=after_s)).isoformat().replace("+00:00", "Z")


def told(*sampled: Any, at: Any = None) -> list[dict[str, Any]]:
    return [{"timestamp": stamp() if at is None else at, "sampledValue": list(sampled)}]


def current(value: Any, phase: str | None = None, **more: Any) -> Sampled:
    return {"measurand": "Current.Import", "value": value, "unit": "A", **_phase(phase), **more}


def power(value: Any, phase: str | None = None, **more: Any) -> Sampled:
    return {"measurand": "Power.Active.Import", "value": value, "unit": "W", **_phase(phase), **more}


def voltage(value: Any, phase: str | None = None, **more: Any) -> Sampled:
    return {"measurand": "Voltage", "value": value, "unit": "V", **_phase(phase), **more}


def register(value: Any, **more: Any) -> Sampled:
    return {"value": value, **more}


def _phase(phase: str | None) -> dict[str, str]:
    return {} if phase is None else {"phase": phase}


def only(meter_value: Any, wiring: Wiring = AC, before: Reading | None = None) -> Reading:
    (reading,) = readings(meter_value, wiring, before)
    return reading


# Current


def test_the_draw_is_the_current_of_the_most_loaded_line() -> None:
    reading = only(told(current("15.9", "L1"), current("16.1", "L2"), current("16", "L3")))
    assert (reading.draw, reading.phases_ma) == (16_100, (15_900, 16_100, 16_000))


def test_a_vehicle_on_one_phase_of_three_draws_what_that_phase_carries() -> None:
    # As in evcc 19420: three voltages, one current.
    volts = [voltage("230.1", "L1-N"), voltage("233.9", "L2-N"), voltage("236.2", "L3-N")]
    reading = only(told(power("3.4", unit="kW"), *volts, current("14.8", "L1"), current("0.0", "L2"), current(0, "L3")))
    assert (reading.draw, reading.power_w, reading.phases_ma) == (14_800, 3_400, (14_800, 0, 0))


def test_a_current_of_all_together_is_taken_for_the_most_loaded_line() -> None:
    reading = only(told(current("16"), voltage("230")))
    assert (reading.draw, reading.phases_ma) == (16_000, None)
    assert reading.power_w == 3 * 16 * 230


def test_a_current_without_a_phase_beside_lines_two_and_three_is_line_ones() -> None:
    reading = only(told(current("16"), current("0", "L2-N"), current("0", "L3-N")))
    assert (reading.draw, reading.phases_ma) == (16_000, (16_000, 0, 0))


def test_a_sum_beside_all_three_lines_is_not_a_line() -> None:
    assert only(told(current("48"), *(current("16", line) for line in ("L1", "L2", "L3")))).draw == 16_000


def test_a_single_wire_may_be_told_by_any_line_or_by_its_neutral() -> None:
    for phase in ("L1", "L2", "L3-N", "N", None):
        reading = only(told(current("10", phase)), ONE_WIRE)
        assert (reading.draw, reading.phases_ma) == (10_000, (10_000, None, None))


def test_a_wire_named_by_a_line_the_connector_does_not_have_takes_the_place_that_is_free() -> None:
    two_wires = Wiring(is_ac=True, phase_count=2, line_to_line=False, voltage_v=400, power_factor_permille=1000)
    assert only(told(current("10", "L2"), current("9", "L3")), two_wires).phases_ma == (9_000, 10_000, None)


def test_the_neutral_shows_a_vehicle_on_one_phase_where_only_the_total_power_is_told() -> None:
    # As in lbbrhzn/ocpp 1311.
    reading = only(told(power("3.5", unit="kW"), voltage("231.1", "L1-N"), current("15.6", "N")))
    assert reading.draw == 15_600


def test_a_connector_between_lines_carries_its_current_on_both_wires() -> None:
    reading = only(told(current("30", "L1"), current("30", "L2"), voltage("208")), BETWEEN_LINES)
    assert (reading.draw, reading.phases_ma) == (30_000, (30_000, 30_000, None))
    assert reading.power_w == 30 * 208


def test_a_current_of_nothing_beside_a_power_is_not_believed() -> None:
    zeros = [current("0", line) for line in ("L1", "L2", "L3")]
    reading = only(told(power("6900"), voltage("230"), *zeros))
    assert (reading.draw, reading.phases_ma) == (10_000, None)
    assert only(told(power("0"), voltage("230"), *zeros)).draw == 0


# Power into current


def test_a_total_power_is_spread_over_the_wires_at_the_lowest_voltage_and_rounded_up() -> None:
    volts = [voltage("230", "L1"), voltage("225", "L2"), voltage("235", "L3")]
    assert only(told(power("11040"), *volts)).draw == 16_356  # 11 040 / (3 x 225)


def test_power_by_phase_shows_the_most_loaded_one() -> None:
    lines = [power("3680", "L1-N"), power("0", "L2-N"), power("0", "L3-N")]
    volts = [voltage("230", f"L{number}-N") for number in (1, 2, 3)]
    reading = only(told(*lines, *volts))
    assert (reading.power_w, reading.draw) == (3_680, 16_000)


def test_without_a_voltage_the_nominal_one_counts() -> None:
    reading = only(told(power("6000")), BETWEEN_LINES)
    assert reading.draw == pytest.approx(6_000_000 / 208, abs=1.001)
    assert only(told(power("11085"))).draw == pytest.approx(11_085_000 / (3 * 400 / 3**0.5), abs=1.001)


def test_the_power_factor_counts_both_ways() -> None:
    low = Wiring(is_ac=True, phase_count=1, line_to_line=False, voltage_v=400, power_factor_permille=800)
    assert only(told(power("1840"), voltage("230")), low).draw == 10_000
    assert only(told(current("10"), voltage("230")), low).power_w == 1_840


def test_apparent_power_needs_no_power_factor_to_be_a_current() -> None:
    low = Wiring(is_ac=True, phase_count=1, line_to_line=False, voltage_v=400, power_factor_permille=800)
    reading = only(told(power("2.3", unit="kVA"), voltage("230")), low)
    assert (reading.draw, reading.power_w) == (10_000, 1_840)


@pytest.mark.parametrize(
    "volts",
    [
        [voltage("230")],
        [voltage("230", "L1"), voltage("230", "L2"), voltage("230", "L3")],
        [voltage("398.3717", "L1-L2"), voltage("398.3717", "L2-L3"), voltage("398.3717", "L3-L1")],
        [voltage("398.3717")],
        [voltage("0.3983717", unit="kV")],
        [voltage("230", "L1"), voltage("3", "L2"), voltage("0", "L3")],
    ],
)
def test_a_voltage_is_known_by_its_size_and_a_dead_line_is_none(volts: list[Sampled]) -> None:
    reading = only(told(current("10", "L1"), current("10", "L2"), current("10", "L3"), *volts))
    assert reading.power_w == pytest.approx(6_900, abs=1.001)


# DC


def test_a_dc_draw_is_the_power_at_the_vehicle() -> None:
    reading = only(told(power("62.5", unit="kW", location="Outlet"), current("100"), voltage("700")), DC)
    assert (reading.draw, reading.power_w, reading.phases_ma) == (62_500, 62_500, None)


def test_without_a_power_a_dc_draw_is_voltage_times_current() -> None:
    assert only(told(current("100.5"), voltage("700")), DC).draw == 70_350


def test_the_outlet_comes_before_the_inlet_whatever_the_inlet_measures() -> None:
    inlet = power("66000", location="Inlet")
    assert only(told(inlet, power("62000", location="Outlet")), DC).draw == 62_000
    assert only(told(inlet, current("100"), voltage("620")), DC).draw == 62_000


def test_what_only_the_supply_shows_reaches_the_vehicle_less_the_losses() -> None:
    unit = Wiring(
        is_ac=False,
        phase_count=3,
        line_to_line=False,
        voltage_v=400,
        power_factor_permille=1000,
        efficiency_permille=940,
    )
    assert only(told(power("50000", location="Inlet")), unit).draw == 47_000
    assert only(told(power("50000", location="Body")), unit).draw == 50_000
    # A DC outlet has no phases: this was measured at the supply, whatever it says.
    assert only(told(*(power("20000", line) for line in ("L1", "L2", "L3"))), unit).draw == 56_400
    first = only(told(register("1000", location="Inlet")), unit)
    assert only(told(register("1100", location="Inlet"), at=stamp(36)), unit, first).draw == 9_400


# The register's slope


def test_without_power_or_current_the_register_tells() -> None:
    first = only(told(register("1000")), ONE_WIRE)
    assert first.draw is None
    second = only(told(register("1010"), at=stamp(10)), ONE_WIRE, first)
    assert second.power_w == 3_600
    assert second.draw == pytest.approx(3_600_000 / (400 / 3**0.5), abs=1.001)


def test_a_coarse_register_waits_until_one_jump_weighs_little() -> None:
    before, seen = None, []
    for second in range(0, 800, 10):
        kwh = f"{10 + (second // 60) * 0.1:.1f}"
        before = only(told(register(kwh, unit="kWh"), at=stamp(second)), DC, before)
        seen.append(before.draw)
    # 0.1 kWh a minute are 6 kW; after 12 minutes one step of the register is 500 W.
    assert seen[:72] == [None] * 72
    assert seen[72] == 6_000
    assert seen[73:] == [None] * len(seen[73:])


@pytest.mark.parametrize(
    ("wh", "after_s", "oddity"),
    [
        ("900", 10, "register jumped"),
        ("999999", 10, "register jumped"),
        ("1100", 3600, None),
        ("1100", 0, None),
        ("1100", -10, None),
    ],
)
def test_a_slope_that_says_nothing_about_now_is_dropped(wh: str, after_s: int, oddity: str | None) -> None:
    first = only(told(register("1000")), DC)
    result = readings_and_oddities(told(register(wh), at=stamp(after_s)), DC, first)
    assert result.readings[0].draw is None
    assert list(result.oddities) == ([] if oddity is None else [oddity])


def test_a_register_told_only_now_and_then_keeps_its_mark() -> None:
    first = only(told(register("1000")), DC)
    between = only(told({"measurand": "SoC", "value": "50"}, at=stamp(10)), DC, first)
    assert (between.draw, between.soc) == (None, 0.5)
    assert only(told(register("1100"), at=stamp(36)), DC, between).draw == 10_000


def test_the_slope_runs_on_within_one_message() -> None:
    batch = [*told(register("1200"), at=stamp(72)), *told(register("1000")), *told(register("1100"), at=stamp(36))]
    assert [reading.draw for reading in readings(batch, DC, None)] == [None, 10_000, 10_000]


def test_registers_by_phase_add_up() -> None:
    assert only(told(*(register("100", phase=line) for line in ("L1", "L2", "L3")))).energy_wh == 300


# Forms


@pytest.mark.parametrize(
    "sampled",
    [
        power("7400"),
        power(7400),
        power(7400.0),
        power(" 7400 "),
        power("7 400"),
        power("7,4", unit="kW"),
        power("7.4", unit="kw"),
        power("7.4", unit=" kW "),
        power("0.0074", unit="MW"),
        power("7.4e3"),
        power("+7400.000"),
        {"measurand": "Power.Active.Import", "value": "7400"},
        {"measurand": "power.active.import", "value": "7400", "unit": None, "phase": None, "location": None},
        {"measurand": "Power.Active.Import", "value": 7.4, "unitOfMeasure": {"unit": "W", "multiplier": 3}},
        {"measurand": "Power.Active.Import", "value": 7.4, "unitOfMeasure": {"unit": "kW"}},
        {"measurand": "Power.Active.Import", "value": 7400000, "unitOfMeasure": {"unit": "W", "multiplier": -3.0}},
        {"measurand": "Power.Active.Import", "value": 7400, "unitOfMeasure": {}},
        power("7400", context="Transaction.End"),
        power("7400", context="Whatever"),
        power("7400", context=7),
        power("7400", location="Garage"),
        power("7400", "l1"),
    ],
)
def test_a_number_and_its_unit_may_be_written_in_many_ways(sampled: Sampled) -> None:
    assert readings_and_oddities(told(sampled), DC, None).oddities == {}
    assert only(told(sampled), DC).draw == 7_400


@pytest.mark.parametrize(
    ("sampled", "oddity"),
    [
        (power("NaN"), "no number"),
        (power(float("nan")), "no number"),
        (power(float("inf")), "no number"),
        (power("inf"), "no number"),
        (power(""), "no number"),
        (power(None), "no number"),
        (power(True), "no number"),
        (power("12 kW"), "no number"),
        (power("1,234.5"), "no number"),
        (power("٣"), "no number"),
        (power("9" * 5000), "no number"),
        (power(10**5000), "no number"),
        (power("7", unit="Celsius"), "unknown unit"),
        (power("7", unit="Wh"), "unknown unit"),
        (power("7", unit=None, unitOfMeasure={"unit": "W", "multiplier": 99}), "unknown unit"),
        (power("7", unit=None, unitOfMeasure={"unit": "W", "multiplier": "x"}), "unknown unit"),
        (power("7400", unit="kW"), "beyond belief"),
        (current("16000"), "beyond belief"),
        (voltage("-230"), "beyond belief"),
        (register("-1"), "beyond belief"),
        ({"measurand": "SoC", "value": "255", "unit": "Percent"}, "beyond belief"),
        (power("7", "L4"), "unknown phase"),
        ("7400", "no object"),
        (None, "no object"),
    ],
)
def test_what_makes_no_sense_is_left_out_and_counted(sampled: Any, oddity: str) -> None:
    result = readings_and_oddities(told(sampled, current("10"), voltage("500")), DC, None)
    assert result.oddities == {oddity: 1}
    assert [reading.draw for reading in result.readings] == [5_000]


@pytest.mark.parametrize(
    "sampled",
    [
        {"measurand": "Temperature", "value": "35", "unit": "Celsius"},
        {"measurand": "Current.Offered", "value": "16", "unit": "A"},
        {"measurand": "Power.Active.Export", "value": "5000", "unit": "W"},
        {"measurand": "Energy.Active.Import.Interval", "value": "5000", "unit": "Wh"},
        {"measurand": "X", "value": "?"},
        {"measurand": 7, "value": "?"},
        {"format": "SignedData", "value": "8d7f…"},
    ],
)
def test_what_is_not_used_is_no_oddity(sampled: Sampled) -> None:
    result = readings_and_oddities(told(sampled), AC, None)
    assert result.oddities == {}
    (reading,) = result.readings
    assert (reading.draw, reading.power_w, reading.energy_wh, reading.soc) == (None, None, None, None)


def test_what_a_vehicle_feeds_back_is_no_draw() -> None:
    assert only(told(power("-11000")), DC).draw == 0
    reading = only(told(current("-16", "L1"), current("-16", "L2"), current("1", "L3")))
    assert (reading.draw, reading.phases_ma) == (1_000, (0, 0, 1_000))


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-07-14T12:00:00Z", AT),
        ("2026-07-14t12:00:00z", AT),
        ("2026-07-14T12:00:00", AT),
        ("2026-07-14 12:00", AT),
        ("2026-07-14T20:00:00+08:00", AT),
        ("2026-07-14T06:30:00-0530", AT),
        ("2026-07-14T14:00:00+02", AT),
        ("2026-07-14T12:00:00.5Z", AT + timedelta(milliseconds=500)),
        ("2026-07-14T12:00:00,250Z", AT + timedelta(milliseconds=250)),
        ("2026-07-14T12:00:00.1234567891234Z", AT + timedelta(microseconds=123_456)),
        (" 2026-07-14T12:00:00Z ", AT),
    ],
)
def test_a_time_is_utc_unless_it_says_otherwise(text: str, at: datetime) -> None:
    reading = only(told(power("1"), at=text))
    assert reading.sampled_at == at
    assert reading.sampled_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "now",
            "2026-07-14",
            "20260714T120000Z",
            "2026-13-14T12:00:00Z",
            "2026-07-14T25:00:00Z",
            1_784_030_400,
            None,
        ),
        "0001-01-01T00:00:00+08:00",
        "9999-12-31T23:59:59-08:00",
        "٢٠٢٦-07-14T12:00:00Z",
        {},
    ],
)
def test_a_time_that_is_none_skips_what_it_stamps(text: Any) -> None:
    meter_value = [{"timestamp": text, "sampledValue": [power("7")]}, *told(power("8"))]
    result = readings_and_oddities(meter_value, DC, None)
    assert [reading.draw for reading in result.readings] == [8]
    assert result.oddities == {"no timestamp": 1}


def test_readings_come_by_sample_time_and_one_instant_is_one_reading() -> None:
    meter_value = [
        *told(power("3"), at=stamp(20)),
        *told(current("10"), at=stamp(10)),
        *told(voltage("500"), at=stamp(10)),
        *told(power("1"), at=stamp(0)),
    ]
    assert [reading.draw for reading in readings(meter_value, DC, None)] == [1, 5_000, 3]


def test_one_instant_told_twice_counts_with_the_larger_load() -> None:
    assert only(told(power("7"), power("9"), power("8")), DC).draw == 9


@pytest.mark.parametrize("junk", [None, 7, "x", [], {}, [None], [[]], [{"timestamp": stamp(), "sampledValue": 7}]])
def test_junk_is_no_load(junk: Any) -> None:
    assert all(reading.draw is None for reading in readings(junk, AC, None))
