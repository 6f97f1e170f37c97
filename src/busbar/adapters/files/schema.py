"""The `schema` key: which kind of file this is, and which version of it."""

from busbar.adapters.files.fields import Record
from busbar.adapters.files.values import text


def check_schema(top: Record, wanted: str, *, required: bool) -> None:
    """Report a missing or wrong schema; raises RefusedError at once where the file is of another kind.

    (Every other key would be reported too, and none of these reports would help.)
    """
    given = top.read("schema", text)
    if given is None:
        if required and "schema" not in top.findings.broken:
            top.missing("schema", example=wanted)
        return
    if given == wanted:
        return
    top.report("schema", rule=f"This is not {wanted}, the only schema read here.", fix=f"Write `{wanted}`.")
    kind = wanted.rsplit("/", 1)[0] + "/"
    if given.startswith("busbar/") and not given.startswith(kind):
        top.findings.refuse_if_any()
