"""Busbar keeps an EV depot inside its electrical limits.

The five names of the public API are imported when they are first used: numpy and the fill's compiler take a while,
and every module of Busbar passes through here. Their types are in `__init__.pyi`.
"""

import os
from contextlib import suppress
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


def _drop_stale_kernels() -> None:
    """Forget compiled kernels that are older than any kernel's source.

    numba renews a kernel when its own file changes, not when a file it calls into does; in a checkout that has moved on
    a kernel could go on calling what is no longer there.
    """
    folder = os.path.join(os.path.dirname(__file__), "core")
    with suppress(OSError), os.scandir(folder) as sources, os.scandir(os.path.join(folder, "__pycache__")) as kept:
        newest = max(source.stat().st_mtime for source in sources if source.name.startswith("kernel_"))
        for compiled in kept:
            is_kernel = compiled.name.startswith("kernel_") and compiled.name.endswith((".nbi", ".nbc"))
            if is_kernel and compiled.stat().st_mtime < newest:
                os.unlink(compiled)


_drop_stale_kernels()
