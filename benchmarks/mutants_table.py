"""What became of the mutants, as Markdown: a table by module, and every one that is left with its explanation."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

BEGIN, END = "<!-- mutants -->", "<!-- /mutants -->"
UNEXPLAINED = "not explained"

Row = Mapping[str, Any]
Reasons = Sequence[Mapping[str, Any]]
"""Each: `why`, and `where`: a list of `[function, part of the line put in]`, either of which may be `*`."""


def tables(rows: Sequence[Row], totals: Mapping[str, int], reasons: Reasons) -> str:
    """By module, and what is left. `totals`: how many mutants each module has."""
    by_module: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_module[row["module"].removeprefix("busbar.")].append(row)
    lines = [
        "| module | mutants | met | killed | hung | left | explained | killed or hung |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for module, found in sorted(by_module.items()):
        lines.append(_line(f"`{module}`", totals.get(module, len(found)), found, reasons))
    lines.append(_line("together", sum(totals.get(module, 0) for module in by_module), rows, reasons))
    commits = dict.fromkeys(row["commit"] for row in sorted(rows, key=lambda row: str(row["on"])))
    quick = median(row["took_s"] for row in rows if row["verdict"] == "killed")
    lines += [
        "",
        f"Met until {max(row['on'] for row in rows)}, at the commits {', '.join(f'`{each}`' for each in commits)}; ",
    ]
    lines[-1] += f"half of those that were killed took less than {quick:.2f} s, on a machine that others used as well."
    return "\n".join([*lines, "", *_left(rows, reasons)])


def _line(name: str, total: int, found: Sequence[Row], reasons: Reasons) -> str:
    count = Counter(row["verdict"] for row in found)
    explained = sum(row["verdict"] == "survived" and reason_of(row, reasons) != UNEXPLAINED for row in found)
    share = 100 * (count["killed"] + count["hung"]) / len(found)
    figures = (total, len(found), count["killed"], count["hung"], count["survived"], explained, f"{share:.1f} %")
    return f"| {name} | {' | '.join(str(each) for each in figures)} |"


def reason_of(row: Row, reasons: Reasons) -> str:
    """Why a mutant may be left."""
    put_in = " ".join(line for line in row["change"].splitlines() if line.startswith("+"))
    for reason in reasons:
        for function, part in reason["where"]:
            if function in ("*", row["function"]) and (part == "*" or part in put_in):
                return str(reason["why"])
    return UNEXPLAINED


def _left(rows: Iterable[Row], reasons: Reasons) -> list[str]:
    by_reason: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row["verdict"] == "survived":
            by_reason[reason_of(row, reasons)].append(row)
    order = [*(str(reason["why"]) for reason in reasons), UNEXPLAINED]
    lines = ["| left | why | where |", "|---|---|---|"]
    for why in order:
        found = by_reason.get(why)
        if found:
            where = Counter(f"`{row['module'].rpartition('.')[2]}.{row['function']}`" for row in found)
            places = ", ".join(name if many == 1 else f"{name} {many}×" for name, many in sorted(where.items()))
            lines.append(f"| {len(found)} | {' '.join(why.split())} | {places} |")
    return lines


def write_into(page: Path, text: str) -> None:
    """Put the tables between the page's markers."""
    before = page.read_text(encoding="utf-8")
    after = re.sub(f"({BEGIN}\n).*({END})", lambda m: f"{m[1]}{text}\n{m[2]}", before, flags=re.DOTALL)
    page.write_text(after, encoding="utf-8")
