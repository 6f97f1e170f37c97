"""Every goal that every trial is held to."""

from busbar.simulator.trials.goals.breaches_true import BreachesTrue
from busbar.simulator.trials.goals.committed import CommittedFits
from busbar.simulator.trials.goals.explanations import Explanations
from busbar.simulator.trials.goals.flows import FlowsFit
from busbar.simulator.trials.goals.idling import NotIdle
from busbar.simulator.trials.goals.meters_lost import MetersLost
from busbar.simulator.trials.goals.restarts import Restarts
from busbar.simulator.trials.trial import Goal


def all_goals() -> tuple[Goal, ...]:
    """Fresh ones, for one trial: what they remember is of that trial."""
    return (CommittedFits(), FlowsFit(), MetersLost(), Restarts(), NotIdle(), Explanations(), BreachesTrue())
