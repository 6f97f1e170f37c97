"""`busbar scenario-schema`: what a scenario file may say, for editors and other programs."""

from busbar.entrypoints.options import FINE
from busbar.entrypoints.screen import print_document


def scenario_schema() -> int:
    """Print the JSON Schema of scenario files."""
    from busbar.simulator.scenario_schema import scenario_schema as made

    print_document(made())
    return FINE
