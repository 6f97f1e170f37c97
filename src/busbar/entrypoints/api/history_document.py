"""`GET .../history`: columns of the last half hour, as `models.History` and `models.NodeHistory` describe them."""

from typing import Any

from busbar.core.rows import TOTAL
from busbar.engine.envelopes import ROWS
from busbar.engine.history import History


def connector_history_document(history: History, connector: str) -> dict[str, Any]:
    """`models.History`."""
    found = history.connector(connector)
    return {
        "unit": "mA" if found.is_ac else "W",
        "at": list(found.at),
        "request": list(found.request),
        "setpoint": list(found.setpoint),
        "committed": list(found.committed),
        "draw": list(found.draw),
        "soc": list(found.soc),
    }


def node_history_document(history: History, node: str, row: str | None = None) -> dict[str, Any]:
    """`models.NodeHistory` of a row, or of the one that is nearest its limit."""
    found = history.node(node, row)
    return {
        "row": found.row,
        "unit": "W" if found.row == ROWS[TOTAL] else "mA",
        "at": list(found.at),
        "limit": list(found.limit),
        "committed": list(found.committed),
        "measured": list(found.measured),
    }
