"""The quirk table."""

from pathlib import Path

import pytest

from busbar.adapters.ocpp.capabilities import Capabilities, terms
from busbar.adapters.ocpp.quirks import NO_QUIRK, ProfileKind, RateUnit, ZeroHandling, load_quirks, read_quirks
from busbar.core.errors import BusbarError

GOOD = """
- name: Own
  match: {vendor: acme, model: "^one$", firmware: "^2"}
  rate_unit: W
  stack_level: 3
  profile_kind: Relative
  transaction_id: absent
  zero: stop
  allowed_a: [16, 6, 8.5]
  shortest_interval_s: 10
  ramp_s: 30
  sample_interval_s: 60
  measurands: [Power.Active.Import]
  remote_start: true
  periods: 1
  dc_voltage_v: 920
  clear_first: true
  trigger_messages: false
  station_limit_often: false
  note: A note.
  source: owner/repository#1
"""


def test_every_word_of_the_table_is_read() -> None:
    (entry,) = read_quirks(GOOD, "own.yaml")
    assert entry.rate_unit is RateUnit.W
    assert entry.stack_level == 3
    assert entry.profile_kind is ProfileKind.RELATIVE
    assert not entry.sends_transaction_id
    assert entry.zero is ZeroHandling.STOP
    assert entry.allowed_ma == (6000, 8500, 16000)
    assert (entry.shortest_interval_s, entry.ramp_s, entry.sample_interval_s) == (10.0, 30.0, 60)
    assert entry.measurands == ("Power.Active.Import",)
    assert (entry.remote_start, entry.periods, entry.dc_voltage_v) == (True, 1, 920)
    assert (entry.clear_first, entry.trigger_messages, entry.station_limit_often) == (True, False, False)


def test_all_expressions_of_an_entry_have_to_match() -> None:
    (entry,) = read_quirks(GOOD, "own.yaml")
    assert entry.matches("ACME Ltd", "one", "2.1")
    assert not entry.matches("ACME Ltd", "one", "1.2")
    assert not entry.matches("ACME Ltd", "one", None)
    assert not entry.matches(None, "one", "2")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- name: X\n  match: {vendor: a}\n  rate_units: A", "rate_units is not a word of this table"),
        ("- name: X\n  match: {vendor: a}\n  rate_unit: kW", "rate_unit is 'kW'; wanted is A or W"),
        ("- name: X\n  match: {vendor: a}\n  zero: pause", "zero is 'pause'; wanted is set or stop"),
        ("- name: X\n  match: {vendor: a}\n  stack_level: -1", "stack_level is -1"),
        ("- name: X\n  match: {vendor: a}\n  stack_level: true", "stack_level is True"),
        ("- name: X\n  match: {vendor: a}\n  allowed_a: 16", "allowed_a is 16"),
        ("- name: X\n  match: {vendor: a}\n  remote_start: 1", "remote_start is 1"),
        ("- name: X\n  match: {vendor: '('}", "is no regular expression"),
        ("- name: X\n  match: {maker: a}", "match.maker is none of vendor"),
        ("- name: X", "match is missing"),
        ("- match: {vendor: a}", "name is missing"),
        ("- just words", "is not an entry"),
        ("name: X", "a list of entries is wanted"),
        ("- {", "is not YAML"),
    ],
)
def test_a_wrong_entry_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(BusbarError) as caught:
        read_quirks(text, "own.yaml")
    assert said in str(caught.value)
    assert "own.yaml" in str(caught.value)


def test_every_offender_is_named_at_once() -> None:
    with pytest.raises(BusbarError) as caught:
        read_quirks("- name: X\n  match: {vendor: a}\n  zero: x\n  periods: 0\n- 7", "own.yaml")
    assert len(str(caught.value).splitlines()) == 3


def test_the_table_that_ships_is_sound_and_says_where_each_entry_comes_from() -> None:
    table = load_quirks()
    assert len(table.entries) >= 15
    for entry in table.entries:
        assert entry.note, entry.name
        assert entry.source, entry.name


@pytest.mark.parametrize(
    ("vendor", "model", "firmware", "name"),
    [
        ("go-e", "Charger Gemini", "56.2", "go-e Charger"),
        ("Wall Box Chargers", "PLP1-0-2-4", "5.5.10", "Wallbox, firmware 5"),
        ("Wallbox", "Pulsar", "6.1", "Wallbox"),
        ("HUAWEI", "SCharger-22KT-S0", None, "Huawei SCharger"),
        ("ABB", "Terra AC wallbox", "1.8.21", "ABB Terra AC"),
        ("Easee", "Home", "300", "Easee"),
        ("Delta", "BMW-10-EU", None, "Delta (BMW Wallbox, generation 4)"),
        ("NECharge", "x", None, "NEcharge"),
        ("Alfen BV", "NG910", "6", "Alfen"),
        ("Schneider Electric", "EVlink", None, "Schneider"),
        ("Acme", "One", "1", ""),
        (None, None, None, ""),
    ],
)
def test_known_makers_are_found(vendor: str | None, model: str | None, firmware: str | None, name: str) -> None:
    assert load_quirks().find(vendor, model, firmware).name == name


def test_a_persons_own_file_comes_first(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("- name: Mine\n  match: {vendor: huawei}\n  rate_unit: A\n", encoding="utf-8")
    assert load_quirks(own).find("Huawei", "x", None).name == "Mine"
    with pytest.raises(BusbarError, match="cannot be read"):
        load_quirks(tmp_path / "none.yaml")


def test_a_quirk_knows_better_than_the_charge_point() -> None:
    said = Capabilities(rate_units=(RateUnit.A, RateUnit.W), most_stack_level=9, most_periods=24)
    plain = terms(said, NO_QUIRK, is_ac=True)
    assert (plain.unit, plain.stack_level, plain.has_two_periods) == (RateUnit.A, 9, True)
    (entry,) = read_quirks(GOOD, "own.yaml")
    odd = terms(said, entry, is_ac=True)
    assert (odd.unit, odd.stack_level, odd.has_two_periods) == (RateUnit.W, 3, False)


def test_ac_goes_in_amperes_and_dc_in_watts_unless_only_the_other_is_taken() -> None:
    for takes, ac, dc in (
        ((), RateUnit.A, RateUnit.W),
        ((RateUnit.A, RateUnit.W), RateUnit.A, RateUnit.W),
        ((RateUnit.A,), RateUnit.A, RateUnit.A),
        ((RateUnit.W,), RateUnit.W, RateUnit.W),
    ):
        said = Capabilities(rate_units=takes)
        assert terms(said, NO_QUIRK, is_ac=True).unit is ac
        assert terms(said, NO_QUIRK, is_ac=False).unit is dc
