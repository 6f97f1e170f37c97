"""`busbar serve`: the service with its page and API, which is not built yet."""

from busbar.core.errors import NotAvailableError
from busbar.entrypoints.options import JsonOption


def serve(as_json: JsonOption = False) -> int:
    """Run the service with its page and API (not available yet)."""
    raise NotAvailableError("`busbar serve` is not available yet; `busbar balance` and `busbar simulate` are.")
