"""What a DERMS is shown: the nodes it is granted and everything below them, and nothing of the others."""

from typing import Any

from busbar.core.nearest import known_names, suggestion
from busbar.core.projection import Projection, project
from busbar.entrypoints.api.asked import Asked
from busbar.entrypoints.api.documents import sees_node
from busbar.entrypoints.api.refusals import refuse


def sees(asked: Asked, node: str) -> bool:
    """Whether the token may see that node."""
    if asked.granted is None:
        return True
    moment = asked.api.served.moment(asked.depot_id)
    return moment is not None and sees_node(moment.projection, asked.granted, node)


def sees_in(projection: Projection, asked: Asked, node: str) -> bool:
    """The same by a projection at hand, which there is before the first cycle too."""
    return asked.granted is None or sees_node(projection, asked.granted, node)


def refuse_ungranted(asked: Asked, node: str) -> None:
    """Raises NotServedError (404) for a node that is unknown, which is what those of others are."""
    moment = asked.api.served.moment(asked.depot_id)
    known = () if moment is None else moment.projection.node_ids
    if (asked.granted is not None and not sees(asked, node)) or (moment is not None and node not in known):
        names = tuple(each for each in known if sees(asked, each))
        refuse(404, "node", "There is no such node in this depot.", suggestion(node, known_names(names)), value=node)


async def projection_of(asked: Asked) -> Projection:
    """The depot as the running service has it laid out, or else as it is stored."""
    moment = asked.api.served.moment(asked.depot_id)
    return project(await asked.depot()) if moment is None else moment.projection


def cycle_for(asked: Asked, document: dict[str, Any]) -> dict[str, Any]:
    """A cycle without what is not granted."""
    if asked.granted is None:
        return document
    shown = {**document, "vehicles": None, "limited": None}
    shown["node_states"] = {node: state for node, state in document["node_states"].items() if sees(asked, node)}
    if "allocations" in document:
        shown["allocations"] = [each for each in document["allocations"] if sees(asked, each["leaf"])]
        shown["setpoints"] = [each for each in document["setpoints"] if sees(asked, each["connector"])]
        shown["violations"] = []
        shown["inputs"] = {
            name: {node: each for node, each in value.items() if sees(asked, node)}
            if isinstance(value, dict)
            else value
            for name, value in document["inputs"].items()
            if name not in ("vehicles", "limited")
        }
    return shown
