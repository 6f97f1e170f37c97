"""The page of an acceptance run: one file that asks for nothing from anywhere, a section for each scenario."""

from collections.abc import Sequence
from typing import Any

from busbar.core.units import format_ma, format_w
from busbar.simulator.acceptance.accepted import Accepted, How, Job, Judged
from busbar.simulator.acceptance.as_played import REACTION_S
from busbar.simulator.acceptance.timeline import MOST_LINES, lines_of, timeline
from busbar.simulator.acceptance.told import Told
from busbar.simulator.charts import name_of, vehicle_chart
from busbar.simulator.expectation import Holds
from busbar.simulator.expectation_words import clock_words
from busbar.simulator.report import cards_of, charts_of, lanes_of, page_templates
from busbar.simulator.results import calendar_of, minutes, totals
from busbar.simulator.scenario import Scenario

_MOST = 20
_MOST_CIRCUITS = 4
_FEW_LANES = 40
"""More vehicles than this are folded away."""


def page_of(accepted: Sequence[Accepted], told: Told, *, is_trial: bool = False) -> str:
    """All of it. `is_trial`: one scenario that somebody played, and nobody accepts anything."""
    content = {
        "is_trial": is_trial,
        "hows": {each.how.value for each in accepted},
        "accepted": accepted,
        "met": all(each.is_met for each in accepted),
        "red": sum(not each.is_met for each in accepted),
        "told": told,
        "reaction_s": REACTION_S,
        "total": minutes(round(sum(each.wall_s for each in accepted))),
    }
    return page_templates().get_template("acceptance.html.j2").render(content) + "\n"


def section_of(judged: Judged) -> str:
    """One scenario."""
    ran, played = judged.ran, judged.played
    calendar, lines = calendar_of(played), lines_of(played, ran.trail.breaches)
    lanes = lanes_of(played)
    content: dict[str, Any] = {
        "scenario": ran.scenario,
        "judged": judged,
        "ran": ran,
        "replay": judged.replay,
        "how": ran.how.value,
        "when": calendar.instant(0).strftime("%A %d %B %Y, %H:%M"),
        "hours": minutes(ran.scenario.duration_s),
        "played": minutes(ran.looked_until_s),
        "is_whole": ran.looked_until_s >= ran.scenario.duration_s,
        "cards": _cards(judged),
        "missed": [(each.goal, clock_words(calendar, each.at_s), each.text) for each in ran.missed[:_MOST]],
        "timeline": timeline(played, lines) if lines else None,
        "not_shown": max(0, len(lines) - MOST_LINES),
        "charts": charts_of(played, _circuits_of_the_story(ran.scenario)),
        "vehicles": vehicle_chart(played, lanes) if lanes else None,
        "are_few": len(lanes) <= _FEW_LANES,
        "lane_count": len(lanes),
        "breaches": [_breach_row(judged, index) for index in range(min(_MOST, len(ran.trail.breaches)))],
        "breach_count": len(ran.trail.breaches),
        "figures": sorted(ran.figures.items()),
    }
    return page_templates().get_template("acceptance_section.html.j2").render(content)


def failure_section(job: Job, scenario: Scenario, failure: str, replay: str) -> str:
    """One that could not be played to its end."""
    content = {"scenario": scenario, "failure": failure, "replay": replay, "job": job}
    return page_templates().get_template("acceptance_failure.html.j2").render(content)


def _circuits_of_the_story(scenario: Scenario) -> list[str]:
    """Those that something happens to or is expected of; the first few."""
    about = [each.node for each in (*scenario.events, *scenario.faults)]
    about += [each.subject for each in scenario.expectations if isinstance(each, Holds)]
    circuits = {circuit.id for circuit in scenario.depot.circuits}
    return [each for each in dict.fromkeys(about) if each in circuits][:_MOST_CIRCUITS]


def _cards(judged: Judged) -> list[tuple[str, str, str]]:
    """Title, figure, and a line below it."""
    played, ran = judged.played, judged.ran
    cards = cards_of(played, totals(played))
    if ran.how is How.CYCLES:
        return cards
    ready, delivered, _, fullest, fairness, _ = cards
    stay = sum(each.vehicle.departs_s >= ran.looked_until_s for each in played.outings)
    if stay:
        ready = (ready[0], ready[1], f"had what they needed; {stay} {'is' if stay == 1 else 'are'} there at the end")
    broken = f"times for more than {REACTION_S} s"
    faults, breaches = len(ran.scenario.faults), len(ran.trail.breaches)
    cycles = f"{faults} fault{'s' * (faults != 1)}, {breaches} breach{'es' * (breaches != 1)} recorded"
    return [
        ready,
        delivered,
        ("Over a limit", f"{len(played.excesses)}", broken),
        fullest,
        fairness,
        ("Cycles", f"{len(ran.trail.cycles):,}", cycles),
    ]


def _breach_row(judged: Judged, index: int) -> tuple[str, str, str, str, str]:
    """When, where, how much, why, in words."""
    breach, calendar = judged.ran.trail.breaches[index], calendar_of(judged.played)
    start = judged.ran.trail.start
    begin = clock_words(calendar, (breach.started_at - start).total_seconds())
    ended = breach.ended_at
    end = "open at the end" if ended is None else f"to {clock_words(calendar, (ended - start).total_seconds())}"
    write = format_w if breach.row == "total" else format_ma
    where = f"{name_of(judged.played, breach.node)}, {breach.row}"
    return (
        f"{begin} {end}",
        where,
        f"{write(breach.peak)} of {write(breach.limit)}",
        breach.cause.value,
        breach.sentence,
    )
