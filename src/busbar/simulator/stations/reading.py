"""A charging profile of either version of OCPP, read; its schema has been checked before."""

from math import floor
from typing import Any

from busbar.simulator.stations.profiles import Kind, Period, Profile, Purpose, RateUnit
from busbar.simulator.stations.speech import instant_s

_EVERY_S = {"Daily": 86_400, "Weekly": 7 * 86_400}
_PURPOSES = {"ChargingStationMaxProfile": Purpose.STATION_MAX}


def read_profile(given: dict[str, Any], *, connector: int) -> Profile:
    """The profile. Raises ValueError for a time that is none, or a purpose that is not the central system's to set."""
    schedule = given["chargingSchedule"]
    if isinstance(schedule, list):
        # OCPP 2.0.1 allows three, for ISO 15118 to choose from; the first one rules.
        schedule = schedule[0]
    unit = RateUnit(schedule["chargingRateUnit"])
    transaction = given.get("transactionId")
    purpose = given["chargingProfilePurpose"]
    return Profile(
        id=given["chargingProfileId"] if "chargingProfileId" in given else given["id"],
        connector=connector,
        purpose=_PURPOSES[purpose] if purpose in _PURPOSES else Purpose(purpose),
        kind=Kind(given["chargingProfileKind"]),
        stack_level=given["stackLevel"],
        unit=unit,
        periods=tuple(
            Period(start_s=each["startPeriod"], limit=_whole(each["limit"], unit))
            for each in schedule["chargingSchedulePeriod"]
        ),
        start_s=_time(schedule.get("startSchedule")),
        duration_s=schedule.get("duration"),
        every_s=_EVERY_S.get(given.get("recurrencyKind", "")) if given["chargingProfileKind"] == "Recurring" else None,
        valid_from_s=_time(given.get("validFrom")),
        valid_to_s=_time(given.get("validTo")),
        transaction=None if transaction is None else str(transaction),
    )


def _whole(limit: float, unit: RateUnit) -> int:
    """mA or W, rounded down; a thousandth may have come in as a float just below itself."""
    return floor(round(limit * 1000, 6)) if unit is RateUnit.A else floor(round(limit, 6))


def _time(text: str | None) -> float | None:
    return None if text is None else instant_s(text)
