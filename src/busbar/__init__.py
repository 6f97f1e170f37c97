"""Busbar keeps an EV depot inside its electrical limits.

The five names of the public API are imported when they are first used: numpy and the fill's compiler take a while,
and every module of Busbar passes through here. Their types are in `__init__.pyi`.
"""

from importlib import import_module

_FOUND_IN = {
    "load_depot": "busbar.adapters.files.depot_file",
    "load_snapshot": "busbar.adapters.files.snapshot_file",
    "project": "busbar.core.projection",
    "balance": "busbar.core.balance",
    "audit": "busbar.core.audit",
}

__all__ = ["audit", "balance", "load_depot", "load_snapshot", "project"]


def __getattr__(name: str) -> object:
    if name not in _FOUND_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(_FOUND_IN[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
