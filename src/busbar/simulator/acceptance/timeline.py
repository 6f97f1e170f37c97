"""When things happened, went wrong and were broken: a line for each, as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from busbar.core.units import Amount, format_amount
from busbar.engine.breach_record import BreachRecord
from busbar.simulator.charts import WIDTH, Axis, axis_of, name_of
from busbar.simulator.fault import FaultEvent
from busbar.simulator.played import Played
from busbar.simulator.report import event_words
from busbar.simulator.times import FOREVER_S, Span

MOST_LINES = 60
_ROW, _TOP, _LEFT = 24.0, 8.0, 400.0
_MOST_LETTERS = 62


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One thing, and when it was so."""

    words: str
    spans: tuple[tuple[float, float], ...]
    """From and until, in seconds of the scenario."""
    kind: str
    """event, fault or breach: its colour."""
    note: str = ""


def lines_of(played: Played, breaches: Sequence[BreachRecord]) -> list[Line]:
    """Events, faults, and breaches by node and cause."""
    found = []
    for event in played.scenario.events:
        _, what, note = event_words(played, event)
        found.append(Line(words=what, spans=(_ends(event.span),), kind="event", note=note))
    for fault in played.scenario.faults:
        words = fault_words(played, fault)
        found.append(Line(words=words, spans=(_ends(fault.span),), kind="fault", note=fault.note))
    by_cause: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for breach in breaches:
        by_cause.setdefault((breach.node, breach.cause.value), []).append(_open(played, breach))
    for (node, cause), spans in by_cause.items():
        words = f"breach at {name_of(played, node)}: {cause.replace('_', ' ')}"
        found.append(Line(words=words, spans=tuple(spans), kind="breach"))
    return found


def fault_words(played: Played, fault: FaultEvent) -> str:
    """`CP3: draws more, factor 1.6`."""
    facts = [fault.kind.value.replace("_", " ")]
    facts += [f"factor {fault.factor:g}"] * (fault.factor != 1.0)
    facts += [f"{fault.delay_s:g} s"] * (fault.delay_s != 0.0)
    facts += [f"{fault.step_s:+d} s"] * (fault.step_s != 0)
    facts += [f"{100 * fault.share:g} % of messages"] * (fault.share != 1.0)
    facts += [] if fault.amount is None else [amount_words(fault.amount)]
    where = "everywhere: " if fault.node is None else f"{name_of(played, fault.node)}: "
    return where + ", ".join(facts)


def amount_words(amount: Amount) -> str:
    """`250 A`, or each phase."""
    text = format_amount(amount)
    return text if isinstance(text, str) else ", ".join(f"{phase} {value}" for phase, value in text.items())


def _ends(span: Span) -> tuple[float, float]:
    return float(span.from_s), float(min(span.until_s, FOREVER_S))


def _open(played: Played, breach: BreachRecord) -> tuple[float, float]:
    start = played.scenario.start
    from_s = (breach.started_at - start).total_seconds()
    until_s = FOREVER_S if breach.ended_at is None else (breach.ended_at - start).total_seconds()
    return from_s, float(until_s)


def timeline(played: Played, lines: Sequence[Line]) -> Markup:
    """The first of them, with a bar from begin to end."""
    shown = lines[:MOST_LINES]
    axis = axis_of(played, left=_LEFT)
    bottom = _TOP + _ROW * len(shown)
    parts = _grid(axis, bottom)
    for place, line in enumerate(shown):
        y = _TOP + _ROW * place
        words = line.words if len(line.words) <= _MOST_LETTERS else f"{line.words[:_MOST_LETTERS]}…"
        parts.append(f'<text x="{_LEFT - 10:.1f}" y="{y + 16:.1f}" class="label" text-anchor="end">{escape(words)}')
        parts.append(f"<title>{escape(line.words)}</title></text>")
        for from_s, until_s in line.spans:
            begin, end = axis.x(from_s), axis.x(until_s)
            size = f'width="{max(2.0, end - begin):.1f}" height="{_ROW - 8:.1f}"'
            title = f"<title>{escape(line.note or line.words)}</title>"
            parts.append(f'<rect class="span {line.kind}" x="{begin:.1f}" y="{y + 4:.1f}" {size}>{title}</rect>')
    body = "\n".join(parts)
    label = "What happened, what went wrong and what was broken, over time"
    return Markup(f'<svg viewBox="0 0 {WIDTH} {bottom + 24:.1f}" role="img" aria-label="{label}">\n{body}\n</svg>')


def _grid(axis: Axis, bottom: float) -> list[str]:
    parts = []
    for at_s in axis.ticks():
        x = axis.x(at_s)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP:.1f}" y2="{bottom:.1f}"/>')
        words = escape(axis.calendar.label(at_s))
        parts.append(f'<text x="{x:.1f}" y="{bottom + 16:.1f}" class="tick" text-anchor="middle">{words}</text>')
    return parts
