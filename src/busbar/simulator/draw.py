"""Drawing the vehicles of one night: all randomness of a scenario's vehicles, from its seed."""

from random import Random

from busbar.simulator.scenario import Fleet, Scenario, Schedule, Spread, Vehicle


def draw_vehicles(scenario: Scenario, seed: int) -> tuple[Vehicle, ...]:
    """Every vehicle of the night, by arrival and id; each group from its own stream, so that none disturbs another."""
    drawn = list(scenario.vehicles)
    for fleet in scenario.fleets:
        drawn += _from_fleet(fleet, Random(f"{seed}/fleet/{fleet.id}"))
    for schedule in scenario.schedules:
        drawn += _from_schedule(schedule, Random(f"{seed}/schedule/{schedule.id}"))
    return tuple(sorted(drawn, key=lambda vehicle: (vehicle.arrives_s, vehicle.id)))


def _from_fleet(fleet: Fleet, random: Random) -> list[Vehicle]:
    width = len(str(fleet.count))
    return [
        Vehicle(
            id=f"{fleet.id}{number:0{width}d}",
            type=fleet.type,
            arrives_s=round(_one(fleet.arrives_s, random)),
            departs_s=round(_one(fleet.departs_s, random)),
            soc=round(_one(fleet.soc, random), 3),
            at=fleet.at,
            priority=fleet.priority,
            weight=fleet.weight,
        )
        for number in range(1, fleet.count + 1)
    ]


def _one(spread: Spread, random: Random) -> float:
    return min(spread.highest, max(spread.lowest, random.gauss(spread.mean, spread.spread)))


def _from_schedule(schedule: Schedule, random: Random) -> list[Vehicle]:
    if schedule.count >= len(schedule.vehicles):
        return list(schedule.vehicles)
    chosen = sorted(random.sample(range(len(schedule.vehicles)), schedule.count))
    return [schedule.vehicles[index] for index in chosen]
