"""What `busbar import` shows: what changed in the store, and the grid connections there are."""

from rich.text import Text

from busbar.engine.ports import ImportResult
from busbar.entrypoints.words import plural

_MOST = 12


def import_text(result: ImportResult) -> Text:
    """What was added, changed and retired, and the microgrid."""
    text = Text().append(f"{result.depot_id}: ", style="bold")
    kinds = (("added", result.added), ("changed", result.changed), ("retired", result.retired))
    if not any(ids for _, ids in kinds):
        text.append("nothing changed")
    for at, (word, ids) in enumerate((word, ids) for word, ids in kinds if ids):
        shown = ", ".join(ids[:_MOST]) + (f" and {len(ids) - _MOST} more" if len(ids) > _MOST else "")
        text.append(f"{'; ' if at else ''}{len(ids)} {word} ({shown})")
    text.append(f"; {result.unchanged} unchanged.\n")
    in_use = [node for node in result.microgrid.grid_connections if node.retired_at is None]
    retired = len(result.microgrid.grid_connections) - len(in_use)
    names = ", ".join(f"{node.circuit_id} (node {node.id})" for node in in_use)
    text.append(f"Microgrid {result.microgrid.id}: {plural(len(in_use), 'grid connection')}")
    text.append(f": {names}" if names else "")
    return text.append(f"; {retired} retired." if retired else ".")
