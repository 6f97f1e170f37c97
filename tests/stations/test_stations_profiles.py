"""What a stack of charging profiles allows at an instant: the specification as a table."""

from math import inf

import pytest

from busbar.simulator.stations.profiles import (
    Electrics,
    Kind,
    Period,
    Profile,
    Purpose,
    RateUnit,
    cleared,
    connector_limit,
    installed,
    limit_of,
    station_limit,
    without_transaction,
)

AC = Electrics(is_ac=True, w_per_a=690.0)
DC = Electrics(is_ac=False, w_per_a=1.0)


def made(
    *periods: tuple[int, int],
    id: int = 1,
    purpose: Purpose = Purpose.TX,
    connector: int = 1,
    level: int = 0,
    start_s: float | None = 1000.0,
    duration_s: int | None = None,
    kind: Kind = Kind.ABSOLUTE,
    every_s: int | None = None,
    valid: tuple[float | None, float | None] = (None, None),
    unit: RateUnit = RateUnit.A,
) -> Profile:
    return Profile(
        id=id,
        connector=connector,
        purpose=purpose,
        kind=kind,
        stack_level=level,
        unit=unit,
        periods=tuple(Period(start_s=start, limit=limit) for start, limit in periods),
        start_s=start_s,
        duration_s=duration_s,
        every_s=every_s,
        valid_from_s=valid[0],
        valid_to_s=valid[1],
    )


LEASE = made((0, 16_000), (120, 6_000))
DEFAULT = made((0, 7_000), id=2, purpose=Purpose.TX_DEFAULT, start_s=0.0)
DEFAULT_OF_ALL = made((0, 8_000), id=3, purpose=Purpose.TX_DEFAULT, connector=0, start_s=0.0)


@pytest.mark.parametrize(
    ("profile", "at_s", "limit", "until_s"),
    [
        (LEASE, 999, None, 1000),
        (LEASE, 1000, 16_000, 1120),
        (LEASE, 1119.9, 16_000, 1120),
        (LEASE, 1120, 6_000, inf),
        (LEASE, 99_999, 6_000, inf),
        (made((0, 16_000), duration_s=20), 1019.9, 16_000, 1020),
        (made((0, 16_000), duration_s=20), 1020, None, inf),
        (made((0, 16_000), (10, 6_000), duration_s=20), 1015, 6_000, 1020),
        # Relative, and absolute without a start: from the transaction's beginning, at 1500 here.
        (made((0, 16_000), (60, 0), kind=Kind.RELATIVE, start_s=None), 1559, 16_000, 1560),
        (made((0, 16_000), (60, 0), kind=Kind.RELATIVE, start_s=None), 1560, 0, inf),
        (made((0, 16_000), (60, 0), start_s=None), 1560, 0, inf),
        # Every day from 1000 on.
        (made((0, 9_000), (3600, 12_000), kind=Kind.RECURRING, every_s=86_400), 87_399, 12_000, 87_400),
        (made((0, 9_000), (3600, 12_000), kind=Kind.RECURRING, every_s=86_400), 87_400, 9_000, 91_000),
        (made((0, 9_000), kind=Kind.RECURRING, every_s=86_400, duration_s=60), 1060, None, 87_400),
        (made((0, 9_000), kind=Kind.RECURRING, every_s=86_400, duration_s=60), 87_430, 9_000, 87_460),
        # Validity cuts at both ends.
        (made((0, 9_000), valid=(1100, 1200)), 1099, None, 1100),
        (made((0, 9_000), valid=(1100, 1200)), 1100, 9_000, 1200),
        (made((0, 9_000), valid=(1100, 1200)), 1200, None, inf),
    ],
)
def test_one_profile_says_what_its_schedule_says(
    profile: Profile, at_s: float, limit: int | None, until_s: float
) -> None:
    found = limit_of(profile, at_s, 1500.0)
    assert (found.limit, found.until_s) == (limit, until_s)


def test_a_relative_profile_says_nothing_without_a_transaction() -> None:
    assert limit_of(made((0, 9_000), kind=Kind.RELATIVE, start_s=None), 2000, None).limit is None


@pytest.mark.parametrize(
    ("profiles", "at_s", "limit", "until_s"),
    [
        ([], 1000, None, inf),
        ([DEFAULT], 1000, 7_000, inf),
        ([DEFAULT_OF_ALL], 1000, 8_000, inf),
        ([DEFAULT_OF_ALL, DEFAULT], 1000, 7_000, inf),
        ([DEFAULT, LEASE], 1000, 16_000, 1120),
        ([DEFAULT, LEASE], 1130, 6_000, inf),
        # A lease with an end of its own falls to the default below it.
        ([DEFAULT, made((0, 16_000), duration_s=20)], 1010, 16_000, 1020),
        ([DEFAULT, made((0, 16_000), duration_s=20)], 1020, 7_000, inf),
        ([made((0, 16_000), duration_s=20)], 1020, None, inf),
        # The highest level with a period now wins, lower or not; a gap falls to the level below.
        ([made((0, 6_000), level=1), made((0, 20_000), id=9, level=3)], 1000, 20_000, inf),
        ([made((0, 6_000), level=1), made((0, 20_000), id=9, level=3, duration_s=5)], 1006, 6_000, inf),
        ([made((0, 6_000), level=1), made((0, 20_000), id=9, level=3, start_s=1500.0)], 1000, 6_000, 1500),
        # Of another connector.
        ([made((0, 6_000), connector=2)], 1000, None, inf),
    ],
)
def test_a_connector_may_draw_what_its_profiles_leave_it(
    profiles: list[Profile], at_s: float, limit: int | None, until_s: float
) -> None:
    found = connector_limit(profiles, 1, at_s, began_s=900.0, electrics=AC)
    assert (found.limit, found.until_s) == (limit, until_s)


def test_the_station_maximum_is_apart_from_the_connectors() -> None:
    most = made((0, 40_000), purpose=Purpose.STATION_MAX, connector=0, start_s=0.0)
    assert station_limit([most, LEASE], 1000, electrics=AC).limit == 40_000
    assert station_limit([LEASE], 1000, electrics=AC).limit is None
    assert connector_limit([most], 1, 1000, began_s=None, electrics=AC).limit is None


def test_watts_become_amperes_at_the_nominal_voltage_rounded_down() -> None:
    watts = made((0, 11_000), unit=RateUnit.W)
    assert connector_limit([watts], 1, 1000, began_s=None, electrics=AC).limit == 15_942
    assert connector_limit([watts], 1, 1000, began_s=None, electrics=DC).limit == 11_000


def test_a_profile_replaces_those_of_its_id_and_of_its_place() -> None:
    same_id = made((0, 1), id=1, level=7)
    same_place = made((0, 1), id=8, level=0)
    elsewhere = made((0, 1), id=9, level=0, connector=2)
    assert installed((LEASE, DEFAULT), same_id) == (DEFAULT, same_id)
    assert installed((LEASE, DEFAULT), same_place) == (DEFAULT, same_place)
    assert installed((LEASE, DEFAULT), elsewhere) == (LEASE, DEFAULT, elsewhere)


def test_clearing_takes_the_one_of_that_id_or_all_that_agree() -> None:
    both = (LEASE, DEFAULT)
    assert cleared(both, id=1, connector=5) == (DEFAULT,)
    assert cleared(both, id=7) == both
    assert cleared(both) == ()
    assert cleared(both, purpose=Purpose.TX_DEFAULT) == (LEASE,)
    assert cleared(both, purpose=Purpose.TX_DEFAULT, connector=2) == both


def test_a_transaction_takes_its_profiles_with_it() -> None:
    other = made((0, 1), id=5, connector=2)
    assert without_transaction((LEASE, DEFAULT, other), 1) == (DEFAULT, other)
