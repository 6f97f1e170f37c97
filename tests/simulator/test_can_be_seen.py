"""What Busbar can have seen: connectors are sampled one by one."""

from collections.abc import Iterable
from dataclasses import replace

from made_trials import kilowatts, made_depot, made_trial, made_vehicles

from busbar.core.rows import TOTAL
from busbar.simulator.trials.goals.can_be_seen import CanBeSeen
from busbar.simulator.trials.trial import Goal, Trial, Violation
from busbar.simulator.trials.yard import Sight


class Looks(Goal):
    """Takes down what can be seen, and the most that flowed at C2, in W."""

    def __init__(self) -> None:
        self.seen: CanBeSeen | None = None
        self.most_w = 0

    def looked(self, trial: Trial, sight: Sight) -> Iterable[Violation]:
        self.seen = self.seen or CanBeSeen(trial)
        self.seen.add(sight)
        self.most_w = max(self.most_w, int(sight.flow_rows[c2(trial), TOTAL]))
        return ()


def c2(trial: Trial) -> int:
    """Its place among the inner nodes."""
    projection = trial.yard.projection
    return int(projection.frame.inner_of[projection.node_index["C2"]])


def test_where_one_connector_takes_over_what_another_leaves_both_may_be_seen() -> None:
    depot = made_depot()
    shared = replace(depot.charge_points[2], max_rating=60_000)
    limited = replace(depot.circuits[2], default_operating_capacity=kilowatts(80))
    depot = replace(
        depot,
        circuits=(*depot.circuits[:2], limited),
        charge_points=(*depot.charge_points[:2], shared, depot.charge_points[3]),
    )
    _, _, first, second, _ = made_vehicles()
    looks = Looks()
    scenario = made_trial(depot=depot, vehicles=(replace(first, departs_s=90), second), duration_s=150, base_load_w=0)
    trial = Trial(scenario, seed=1, goals=[looks])
    trial.run()
    assert looks.seen is not None
    assert 60_000 < looks.most_w < 70_000
    within = looks.seen.within[:, c2(trial), TOTAL]
    assert within[60:90].all()
    assert not within[90:110].all()
    assert within[125:].all()
