"""Which scenarios are meant by files and folders, all of them read before any is played."""

from collections.abc import Sequence
from pathlib import Path

from busbar.adapters.files.document import read_document
from busbar.adapters.files.tree import Scalar, find
from busbar.core.errors import Problem, RefusedError
from busbar.simulator.scenario import Scenario
from busbar.simulator.scenario_file import load_scenario

_ENDINGS = (".yaml", ".yml", ".json")
_OURS = "busbar/"
_SCENARIO = "busbar/scenario/"


def find_scenarios(places: Sequence[str]) -> dict[str, Scenario]:
    """File -> scenario. Of a folder every scenario that lies in it, by name; depots and the like beside them are not.

    Raises RefusedError with every offender of all files.
    """
    found: dict[str, Scenario] = {}
    problems: list[Problem] = []
    for place in places:
        files = _in_folder(Path(place), problems) if Path(place).is_dir() else [place]
        for file in files:
            try:
                found.setdefault(file, load_scenario(file))
            except RefusedError as refused:
                problems += refused.problems
    if problems:
        raise RefusedError(tuple(problems))
    return found


def _in_folder(folder: Path, problems: list[Problem]) -> list[str]:
    files = sorted(each for each in folder.iterdir() if each.suffix in _ENDINGS and each.is_file())
    scenarios = [str(each) for each in files if not _is_of_another_kind(each)]
    if not scenarios:
        rule = "There is no scenario in this folder."
        fix = "Name a folder with scenario files (`schema: busbar/scenario/1`), or files."
        problems.append(Problem(path="FOLDER_OR_FILES", value=str(folder), rule=rule, fix=fix))
    return scenarios


def _is_of_another_kind(file: Path) -> bool:
    """Whether it says that it is something else of ours. One that says nothing is refused later, not passed over."""
    try:
        root = read_document(file).root
    except RefusedError:
        return False
    _, schema = find(root, "schema")
    said = schema.text if isinstance(schema, Scalar) else ""
    return said.startswith(_OURS) and not said.startswith(_SCENARIO)
