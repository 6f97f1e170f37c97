"""JSON documents of the command line: refusals, validation, import (every schema is in `schemas/`)."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from busbar.core.errors import Problem
from busbar.core.fallbacks import Excess
from busbar.engine.beliefs import FallbackProof
from busbar.engine.ports import ImportResult
from busbar.entrypoints import words

_MOST_NODES = 8


def problem_document(problem: Problem) -> dict[str, Any]:
    """One offender."""
    return {name: getattr(problem, name) for name in ("file", "line", "path", "value", "rule", "fix")}


def refusal_document(problems: Sequence[Problem]) -> dict[str, Any]:
    """What was asked for cannot be answered (`busbar/refusal/1`)."""
    return {"schema": "busbar/refusal/1", "problems": [problem_document(problem) for problem in problems]}


def validation_document(problems: Sequence[Problem], warnings: Sequence[Excess] = ()) -> dict[str, Any]:
    """Whether a depot keeps the rules (`busbar/validation/1`)."""
    return {
        "schema": "busbar/validation/1",
        "valid": not problems,
        "problems": [problem_document(problem) for problem in problems],
        "warnings": [warning_document(warning) for warning in warnings],
    }


def warning_document(warning: Excess) -> dict[str, Any]:
    """Fallbacks that do not fit."""
    return {
        "node": warning.node,
        "row": words.ROWS[warning.row],
        "unit": "W" if warning.row == words.ROWS.index("total") else "mA",
        "reserved": warning.reserved,
        "available": warning.available,
        "sentence": warning_text(warning),
    }


def warning_text(warning: Excess) -> str:
    """The same for people."""
    reserved, available = (words.figure(warning.row, value) for value in (warning.reserved, warning.available))
    over = words.figure(warning.row, warning.reserved - warning.available)
    return (
        f"{warning.node}: fallbacks add up to {reserved} {words.on_rows([words.ROWS[warning.row]])}, and its safe "
        f"operating capacity leaves {available}: {over} too much, if Busbar cannot be heard."
    )


def proof_document(proof: FallbackProof) -> dict[str, Any]:
    """How far fallbacks are believed, and the circuits that fail the proof."""
    return {
        "verified": proof.verified,
        "accepted": proof.accepted,
        "at_their_rating": proof.unbelieved,
        "excesses": [warning_document(excess) for excess in proof.excesses],
    }


def proof_text(proof: FallbackProof) -> list[str]:
    """The same for people."""
    lines = [
        f"Fallbacks: {proof.verified} verified, {proof.accepted} accepted, "
        f"{proof.unbelieved} not believed yet and counted at the rating."
    ]
    nodes = list(dict.fromkeys(excess.node for excess in proof.excesses))
    if nodes:
        shown = ", ".join(nodes[:_MOST_NODES]) + (
            f" and {len(nodes) - _MOST_NODES} more" if len(nodes) > _MOST_NODES else ""
        )
        lines.append(f"Until they are, what is counted does not fit the safe operating capacity of {shown}.")
    return lines


def import_document(result: ImportResult, warnings: Sequence[Excess], proof: FallbackProof) -> dict[str, Any]:
    """What an import changed (`busbar/import/1`)."""
    return {
        "schema": "busbar/import/1",
        "depot": result.depot_id,
        "added": list(result.added),
        "changed": list(result.changed),
        "retired": list(result.retired),
        "unchanged": result.unchanged,
        "microgrid": {
            "id": result.microgrid.id,
            "grid_connections": [
                {
                    **{field.name: getattr(node, field.name) for field in fields(node)},
                    "retired_at": None if node.retired_at is None else node.retired_at.isoformat(),
                }
                for node in result.microgrid.grid_connections
            ],
        },
        "warnings": [warning_document(warning) for warning in warnings],
        "fallbacks": proof_document(proof),
    }
