"""What is said to a server over HTTP, and asked of it: one thread at a time."""

import http.client
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote

import numpy as np

from busbar.core.projection import Projection
from busbar.core.snapshot import Mode
from busbar.engine.events import NodeMeasured
from busbar.simulator.acceptance.observed import Held, held_by
from busbar.simulator.stations.meter_push import MeterPush
from busbar.simulator.stations.meters import Reading
from busbar.simulator.trail import CycleSeen

_TIMEOUT_S = 3.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """One answer of the server."""

    key: tuple[str, int]
    """Epoch and sequence: another one for each cycle."""
    cycle: CycleSeen
    held: Held


class Talk:
    """With one server, wherever it is now."""

    def __init__(self, projection: Projection, *, meter_secret: str, token: str) -> None:
        self._projection, self._secret, self._token = projection, meter_secret, token
        self._push: MeterPush | None = None
        self._port = 0

    def at(self, port: int) -> None:
        """The server listens there."""
        if port != self._port or self._push is None:
            self.close()
            depot = self._projection.depot.id
            self._push = MeterPush(f"http://127.0.0.1:{port}", depot=depot, secret=self._secret, timeout_s=_TIMEOUT_S)
            self._port = port

    def close(self) -> None:
        """Give the connection back."""
        if self._push is not None:
            self._push.close()

    def exchange(self, said: Iterable[NodeMeasured], at_s: int) -> Shown | None:
        """Push what the meters say, and look at the status. None: nobody answers."""
        if self._push is not None:
            self._push.push([_reading(each) for each in said])
        document = self._status()
        return None if document is None else shown(self._projection, document, at_s)

    def _status(self) -> Mapping[str, Any] | None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT_S)
        path = f"/api/v1/depots/{quote(self._projection.depot.id, safe='')}/status"
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {self._token}"})
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        return cast(Mapping[str, Any], json.loads(text)) if answer.status == 200 else None


def shown(projection: Projection, document: Mapping[str, Any], at_s: int) -> Shown:
    """A status document as a cycle that was seen."""
    connectors: Sequence[Mapping[str, Any]] = document["connectors"]
    setpoint = np.zeros(len(projection.leaf_ids), dtype=np.int64)
    for each in connectors:
        if each["setpoint"] is not None:
            setpoint[projection.leaf_index[each["id"]]] = int(each["setpoint"]["value"])
    nodes = document["nodes"]
    cycle = CycleSeen(
        at_s=at_s,
        number=document["cycle"],
        outcome=document["outcome"],
        modes={node["id"]: Mode(node["mode"]) for node in nodes if node["mode"] is not None},
        states={node["id"]: node["state"] for node in nodes},
        setpoint=setpoint,
        reachable=frozenset(each["charge_point"] for each in connectors if each["is_connected"]),
    )
    held = held_by(projection, ((each["id"], each["bound_by"]) for each in connectors if each["has_vehicle"]))
    return Shown(key=(document["epoch"], document["sequence"]), cycle=cycle, held=held)


def _reading(said: NodeMeasured) -> Reading:
    at_s = time.time() - said.age_s
    if said.fault or said.phases_ma is None or said.power_w is None:
        # Whatever it is, it is no number.
        nothing = cast(int, float("nan"))
        return Reading(node=said.node, at_s=at_s, power_w=nothing, phases_ma=(nothing, nothing, nothing))
    one, two, three = said.phases_ma
    return Reading(node=said.node, at_s=at_s, power_w=said.power_w, phases_ma=(one or 0, two or 0, three or 0))
