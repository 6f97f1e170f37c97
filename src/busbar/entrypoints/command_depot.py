"""`busbar validate`, `busbar tree` and `busbar import`: what a depot file says, and keeping it.

Each command imports what it works with: `validate` answers before numpy's compiler or a database driver would load.
"""

from busbar.core.errors import RefusedError
from busbar.entrypoints.options import (
    FINE,
    REFUSED,
    DatabaseOption,
    DepotArgument,
    DepthOption,
    JsonOption,
    LeavesOption,
)
from busbar.entrypoints.screen import print_document, say, show


def validate(depot: DepotArgument, as_json: JsonOption = False) -> int:
    """Check a depot file, naming every mistake and its fix."""
    from busbar.adapters.files.depot_file import load_depot
    from busbar.core.fallbacks import fallbacks_that_do_not_fit
    from busbar.core.projection import project
    from busbar.entrypoints.documents import validation_document, warning_text
    from busbar.entrypoints.words import counts

    try:
        found = load_depot(depot)
    except RefusedError as refusal:
        if not as_json:
            raise
        print_document(validation_document(refusal.problems))
        return REFUSED
    projection = project(found)
    warnings = fallbacks_that_do_not_fit(projection)
    if as_json:
        print_document(validation_document((), warnings))
        return FINE
    show(f"{depot} is valid.", f"{found.id}: {counts(projection.kinds)}.")
    say(*(f"Warning: {warning_text(warning)}" for warning in warnings))
    return FINE


def tree(
    depot: DepotArgument, leaves: LeavesOption = None, depth: DepthOption = None, as_json: JsonOption = False
) -> int:
    """Show a depot's wiring, its limits and what is reserved."""
    from busbar.adapters.files.depot_file import load_depot
    from busbar.core.fallbacks import fallbacks_that_do_not_fit
    from busbar.core.projection import project
    from busbar.entrypoints.documents import warning_text
    from busbar.entrypoints.render_tree import tree_text
    from busbar.entrypoints.tree_document import tree_document
    from busbar.entrypoints.unloaded import unloaded

    read = load_depot(depot)
    projection = project(read, leaves=leaves or read.leaves)
    found = unloaded(projection)
    if as_json:
        print_document(tree_document(found))
        return FINE
    show(tree_text(found, depth=depth))
    say(*(f"Warning: {warning_text(warning)}" for warning in fallbacks_that_do_not_fit(projection)))
    return FINE


def import_(depot: DepotArgument, database: DatabaseOption = None, as_json: JsonOption = False) -> int:
    """Store a depot and provision its microgrid."""
    from busbar.adapters.files.depot_file import load_depot
    from busbar.bootstrap import import_depot
    from busbar.core.fallbacks import fallbacks_that_do_not_fit
    from busbar.core.projection import project
    from busbar.engine.beliefs import prove_fallbacks
    from busbar.entrypoints.documents import import_document, proof_text, warning_text
    from busbar.entrypoints.render_import import import_text

    found = load_depot(depot)
    projection = project(found)
    warnings = fallbacks_that_do_not_fit(projection)
    place, result, evidence = import_depot(found, database=database)
    proof = prove_fallbacks(projection, evidence)
    if as_json:
        print_document(import_document(result, warnings, proof))
    else:
        show(import_text(result))
        say(f"Kept in {place}.", *(f"Warning: {warning_text(warning)}" for warning in warnings), *proof_text(proof))
    return FINE
