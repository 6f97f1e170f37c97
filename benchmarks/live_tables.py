"""What `live.py` measured, as Markdown."""

from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Any

Site = dict[str, Any]


def tables(sites: Sequence[Site]) -> str:
    """Everything, one column per size."""
    parts = [_table(sites, "", _ROWS), _table(sites, "One cycle, ms (median)", _step_rows(sites))]
    if any("overload" in site for site in sites):
        parts.append(_table([site for site in sites if "overload" in site], "Overload", _OVERLOAD_ROWS))
    return "\n\n".join(parts)


def _table(sites: Sequence[Site], title: str, rows: Iterable[tuple[str, Callable[[Site], str]]]) -> str:
    head = f"| {title} | " + " | ".join(f"{site['charge_points']} charge points" for site in sites) + " |"
    lines = [f"| {name} | " + " | ".join(show(site) for site in sites) + " |" for name, show in rows]
    return "\n".join([head, "|---" * (len(sites) + 1) + "|", *lines])


def _over_cuts(cuts: Sequence[Any], since: str, what: str) -> str:
    """The median of the rounds, and the worst."""
    values = [cut[since][what] for cut in cuts]
    return f"{median(values):.2f} s ({max(values):.2f} s)"


def _all_answered(site: Site) -> str:
    cuts = [*site["cuts"], *site.get("overload", {}).get("cuts", [])]
    return "yes" if all(cut["is_all"] for cut in cuts) and not site["lost"] else "NO"


_ROWS: tuple[tuple[str, Callable[[Site], str]], ...] = (
    ("memory per connection, ready", lambda site: f"{site['connect']['kb_each']:.1f} kB"),
    ("and with a transaction", lambda site: f"{site['connect']['kb_each'] + site['start']['kb_each']:.1f} kB"),
    ("CPU of the service, a meter value every 10 s each", lambda site: f"{site['steady']['cpu']['service']:.0%}"),
    ("of its store", lambda site: f"{site['steady']['cpu']['store']:.0%}"),
    ("of the charge points", lambda site: f"{site['steady']['cpu']['stations']:.0%}"),
    (
        "longest hold-up of the event loop meanwhile",
        lambda site: f"{site['steady']['stall_longest_s'] * 1000:.0f} ms",
    ),
    ("a lower setpoint acknowledged by half", lambda site: _over_cuts(site["cuts"], "since_release_s", "median")),
    ("by 99 %", lambda site: _over_cuts(site["cuts"], "since_release_s", "p99")),
    ("by all", lambda site: _over_cuts(site["cuts"], "since_release_s", "last")),
    ("by all, from the look at the new limit on", lambda site: _over_cuts(site["cuts"], "since_noticed_s", "last")),
    ("everybody answered, nobody was lost", _all_answered),
    ("load of the machine, two cores", lambda site: f"{site['steady']['load']:.1f}"),
)


def _step_rows(sites: Sequence[Site]) -> list[tuple[str, Callable[[Site], str]]]:
    names = {
        "look": "look: the snapshot",
        "balance": "balance",
        "audit": "audit",
        "record": "what bound whom, states",
        "conclude": "conclude: aim",
        "release": "release: who is told what",
        "store": "store, synced to disk",
        "send": "send, answers heard meanwhile",
    }
    return [(words, _step(name)) for name, words in names.items()]


def _step(name: str) -> Callable[[Site], str]:
    def show(site: Site) -> str:
        values = [_steps(cut)[name] for cut in site["cuts"]]
        whole = sum(median(_steps(cut)[each] for cut in site["cuts"]) for each in _steps(site["cuts"][0]))
        return f"{median(values) * 1000:.0f} ({median(values) / whole:.0%})"

    return show


def _steps(cut: Any) -> dict[str, float]:
    """Steps of the cycle that lowered everybody; the longest of each, because releases of nothing are among them."""
    took = {name: cut["steps_longest_s"].get(name, 0.0) for name in ("look", "balance", "audit", "conclude")}
    took["record"] = cut["steps_longest_s"]["think"] - took["balance"] - took["audit"]
    took["release"], took["store"] = cut["steps_longest_s"]["release"], cut["steps_longest_s"].get("store", 0.0)
    took["send"] = cut["steps_longest_s"]["whole release"] - took["release"] - took["store"]
    return took


_OVERLOAD_ROWS: tuple[tuple[str, Callable[[Site], str]], ...] = (
    (
        "meter values a second that saturate it",
        lambda site: f"{site['overload']['saturating_per_s']:.0f}",
    ),
    ("sent at twice that", lambda site: f"{site['overload']['twice']['sent_per_s']:.0f}"),
    ("answered", lambda site: f"{site['overload']['twice']['answered_per_s']:.0f}"),
    ("looked at", lambda site: f"{site['overload']['twice']['measured_per_s']:.0f}"),
    ("a decrease acknowledged by half", lambda site: _over_cuts(site["overload"]["cuts"], "since_release_s", "median")),
    ("by 99 %", lambda site: _over_cuts(site["overload"]["cuts"], "since_release_s", "p99")),
    (
        "by 99 %, from the look at the new limit on",
        lambda site: _over_cuts(site["overload"]["cuts"], "since_noticed_s", "p99"),
    ),
)
