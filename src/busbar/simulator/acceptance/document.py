"""An acceptance run as JSON (`busbar/acceptance/1`)."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from busbar.simulator.acceptance.accepted import Accepted, How, Job, Judged, replay_command
from busbar.simulator.acceptance.told import Told
from busbar.simulator.expectation_words import clock_words
from busbar.simulator.results import calendar_of, fairness, peaks
from busbar.simulator.scenario import Scenario

SCHEMA = "busbar/acceptance/1"
_MOST = 100


def acceptance_document(accepted: Sequence[Accepted], told: Told) -> dict[str, Any]:
    """All of it."""
    return {
        "schema": SCHEMA,
        "ok": all(each.is_met for each in accepted),
        "version": told.version,
        "commit": told.commit,
        "made_at": told.made_at,
        "goals": list(told.goals),
        "scenarios": [dict(each.document) for each in accepted],
    }


def scenario_document(judged: Judged) -> dict[str, Any]:
    """One scenario. But for the time it took, a run in made-up time says the same again with the same seed."""
    ran, played = judged.ran, judged.played
    calendar = calendar_of(played)
    return {
        **_head(judged.job, ran.scenario, ran.seed, ran.how),
        "replay": judged.replay,
        "ok": judged.is_met,
        "failure": None,
        "played_s": ran.looked_until_s,
        "wall_s": round(judged.wall_s, 1),
        "digest": ran.digest or None,
        "expectations": [
            {"expectation": each.expectation, "found": each.found, "met": each.is_met} for each in judged.verdicts
        ],
        "goals_missed": len(ran.missed),
        "missed": [
            {"goal": each.goal, "at": clock_words(calendar, each.at_s), "text": each.text}
            for each in ran.missed[:_MOST]
        ],
        "skipped": list(ran.skipped),
        "breaches": [
            {
                "node": each.node,
                "row": each.row,
                "cause": each.cause.value,
                "opened_at": each.opened_at.isoformat(),
                "ended_at": None if each.ended_at is None else each.ended_at.isoformat(),
                "peak": each.peak,
                "limit": each.limit,
            }
            for each in ran.trail.breaches[:_MOST]
        ],
        "figures": {
            **{name: round(value, 3) for name, value in ran.figures.items()},
            "vehicles": len(played.outings),
            "vehicles ready": sum(outing.is_ready for outing in played.outings),
            "energy delivered, Wh": sum(outing.delivered_wh for outing in played.outings),
            "fairness": round(fairness(played.outings), 4),
            "fullest node, share of its limit": round(max((each.use for each in peaks(played).values()), default=0), 4),
        },
    }


def failure_document(job: Job, scenario: Scenario, seed: int, how: How, failure: str, wall_s: float) -> dict[str, Any]:
    """One that could not be played to its end."""
    return {
        **_head(job, scenario, seed, how),
        "ok": False,
        "failure": failure,
        "played_s": 0,
        "wall_s": round(wall_s, 1),
        "digest": None,
        "expectations": [],
        "goals_missed": 0,
        "missed": [],
        "skipped": [],
        "breaches": [],
        "figures": {},
    }


def _head(job: Job, scenario: Scenario, seed: int, how: How) -> dict[str, Any]:
    return {
        "file": job.file,
        "scenario": scenario.id,
        "name": scenario.name,
        "seed": seed,
        "how": how.value,
        "live": None if job.live is None else asdict(job.live),
        "replay": replay_command(job, seed),
        "duration_s": scenario.duration_s,
        "faults": [each.kind.value for each in scenario.faults],
    }
