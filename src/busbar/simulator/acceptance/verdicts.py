"""Every expectation of a scenario, judged on what was recorded of its run."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from busbar.simulator.acceptance.as_played import REACTION_S, tolerated
from busbar.simulator.expectation import Holds
from busbar.simulator.expectation_words import amount_words
from busbar.simulator.judge import judge
from busbar.simulator.physics import NO_LIMIT, limit_rows
from busbar.simulator.played import Played
from busbar.simulator.results import Verdict, verdict
from busbar.simulator.scenario import Expectation, NoLimitBroken, PeakAtMost
from busbar.simulator.trail import Trail


def verdicts_of(trail: Trail, played: Played) -> tuple[Verdict, ...]:
    """In the order of the scenario. `played`: the same run, as `as_played.played_of` tells it."""
    return tuple(_verdict(trail, played, each) for each in trail.scenario.expectations)


def _verdict(trail: Trail, played: Played, expectation: Expectation) -> Verdict:
    match expectation:
        case Holds():
            judged = judge(trail, expectation)
            note = f" ({expectation.note})" if expectation.note else ""
            return Verdict(expectation=judged.expectation + note, found=judged.seen, is_met=judged.is_met)
        case NoLimitBroken():
            found = verdict(played, expectation)
            text = f"No limit of any node is broken for longer than the {REACTION_S} s that reacting may take."
            return Verdict(expectation=text, found=found.found, is_met=found.is_met)
        case PeakAtMost():
            return _peak(trail, expectation)
        case _:
            return verdict(played, expectation)


def _peak(trail: Trail, expectation: PeakAtMost) -> Verdict:
    """Of what flowed for longer than reacting may take, the most, and of what flowed at all."""
    projection, amount = trail.projection, expectation.at_most
    node = projection.node_index[expectation.node]
    flow = trail.flow[:, int(projection.frame.inner_of[node]), :]
    nominal_v, phases = int(projection.voltage_v[node]), projection.phases[node]
    bounds = np.array(limit_rows(amount, projection.depot, nominal_v=nominal_v, phases=phases), dtype=np.int64)
    rows = np.flatnonzero(bounds != NO_LIMIT)
    most = tolerated(bounds)[rows]
    share = flow[:, rows] / np.maximum(bounds[rows], 1)
    # A look a second: so many in a row are longer than the reaction time.
    looks = min(REACTION_S + 1, len(share))
    lasting = sliding_window_view(share, looks, axis=0).min(axis=-1)
    is_over = sliding_window_view(flow[:, rows] > most, looks, axis=0).all(axis=-1)
    found = f"{100 * lasting.max():.1f} % of it; for moments {100 * share.max():.1f} %"
    return Verdict(
        expectation=f"Never more than {amount_words(amount)} at {expectation.node} for longer than {REACTION_S} s.",
        found=found,
        is_met=not is_over.any(),
    )
