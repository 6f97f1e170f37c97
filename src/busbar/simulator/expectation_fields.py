"""What a scenario file expects of the night."""

from busbar.adapters.files import values
from busbar.adapters.files.fields import Record
from busbar.simulator.expectation import CONDITION_RULES
from busbar.simulator.hold_fields import WHEN, read_holds
from busbar.simulator.reading import ENVELOPED, Reading, which
from busbar.simulator.scenario import (
    Binds,
    EnergyAtLeast,
    Expectation,
    FairnessAtLeast,
    NoLimitBroken,
    PeakAtMost,
    ReadyBy,
    VehiclesReady,
)
from busbar.simulator.times import duration_s, moment

_EXPECTATIONS = (
    "no_limit_broken",
    "vehicles_ready",
    "peak",
    "ready_by",
    "energy_delivered",
    "fairness",
    "binds",
    *WHEN,
)


def read_expectations(reading: Reading) -> tuple[Expectation, ...]:
    """Expectations, in the order of the file."""
    found = []
    for record in reading.top.records("expectations"):
        if record is None:
            continue
        expectation = _expectation(reading, record)
        record.close()
        if expectation is not None:
            found.append(expectation)
    return tuple(found)


def _expectation(reading: Reading, record: Record) -> Expectation | None:
    match which(record, _EXPECTATIONS):
        case "no_limit_broken":
            if record.read("no_limit_broken", values.boolean) is False:
                record.report("no_limit_broken", rule="Only true can be expected.", fix="Write true.")
            return NoLimitBroken()
        case "vehicles_ready":
            return VehiclesReady(at_least=record.read_or("vehicles_ready", values.state_of_charge, 1.0))
        case "peak":
            node = reading.node(record, "node", ENVELOPED)
            amount = record.amount("peak", is_limit=True)
            return None if amount is None else PeakAtMost(node=node, at_most=amount)
        case "ready_by":
            at_s = record.read_or("ready_by", moment(reading.calendar), 0)
            return ReadyBy(at_s=at_s, vehicle=record.read("vehicle", values.text))
        case "energy_delivered":
            energy = values.whole("energy", is_limit=False)
            return EnergyAtLeast(at_least_wh=record.read_or("energy_delivered", energy, 0))
        case "fairness":
            return FairnessAtLeast(at_least=record.read_or("fairness", values.state_of_charge, 1.0))
        case "always" | "at" | "by":
            return read_holds(reading, record)
        case "binds":
            node = reading.node(record, "binds", ENVELOPED)
            return Binds(node=node, for_s=record.read_or("for", duration_s, 1))
        case _:
            for key in ("node", "vehicle", "connector", "charge_point", "for", "note", *CONDITION_RULES):
                record.entry(key)
            return None
