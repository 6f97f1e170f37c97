"""Against a central system that nobody here wrote: the one of the `ocpp` package."""

import asyncio
import importlib
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from strict_central import draw, profile_of, run, until, yard
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from busbar.simulator.stations.building import Cast
from busbar.simulator.stations.conditions import Conditions
from busbar.simulator.stations.simulated_depot import SimulatedDepot

QUICK = Conditions(ramp_s=0.1, sample_s=1, reconnect_s=0.1)


def _made(version: str) -> tuple[Any, Any, Any]:
    """The package's charge point, its calls, and its answers. It brings no types."""
    module = "ocpp.v16" if version == "1.6" else "ocpp.v201"
    return (
        importlib.import_module(module).ChargePoint,
        importlib.import_module(f"{module}.call"),
        importlib.import_module(f"{module}.call_result"),
    )


def central_class(version: str, heard: list[str]) -> Any:
    """A central system that agrees to everything, with the package's own routing and validation."""
    base, _, results = _made(version)
    on = importlib.import_module("ocpp.routing").on
    now = datetime.now(UTC).isoformat()
    tag = {"id_tag_info" if version == "1.6" else "id_token_info": {"status": "Accepted"}}
    answers: dict[str, dict[str, Any]] = {
        "BootNotification": {"current_time": now, "interval": 60, "status": "Accepted"},
        "Heartbeat": {"current_time": now},
        "Authorize": tag,
        "StatusNotification": {},
        "MeterValues": {},
    }
    if version == "1.6":
        answers |= {"StartTransaction": {"transaction_id": 77, **tag}, "StopTransaction": {}}
    else:
        answers |= {"TransactionEvent": {}}

    def handler(action: str, content: dict[str, Any]) -> Any:
        def answer(self: Any, **_: Any) -> Any:
            heard.append(action)
            return getattr(results, action)(**content)

        # The package finds handlers by their names.
        answer.__name__ = f"answer_{action}"
        return on(action)(answer)

    return type(
        "Central", (base,), {f"answer_{action}": handler(action, content) for action, content in answers.items()}
    )


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_the_package_of_others_gets_on_with_our_charge_points(version: str) -> None:
    async def work() -> None:
        heard: list[str] = []
        peers: dict[str, Any] = {}
        kind = central_class(version, heard)
        _, calls, _ = _made(version)

        async def talk(socket: ServerConnection) -> None:
            assert socket.request is not None
            name = socket.request.path.rpartition("/")[2]
            peers[name] = kind(name, socket)
            with suppress(ConnectionClosed):
                await peers[name].start()

        server = await serve(talk, "127.0.0.1", 0, subprotocols=[Subprotocol(f"ocpp{version}")])
        port = next(iter(server.sockets)).getsockname()[1]
        async with SimulatedDepot(
            yard(), url=f"ws://127.0.0.1:{port}", cast=Cast(protocol=version), conditions=QUICK
        ) as depot:
            reports = "MeterValues" if version == "1.6" else "TransactionEvent"
            await until(lambda: heard.count(reports) >= 6)
            assert depot.count().errors == 0
            transaction = depot.station("AC1").outlets[0].transaction
            assert transaction is not None
            profile = profile_of(version, (0, 10), (600, 6), transaction=transaction.id)
            if version == "1.6":
                order = calls.SetChargingProfile(connector_id=1, cs_charging_profiles=profile)
            else:
                order = calls.SetChargingProfile(evse_id=1, charging_profile=profile)
            answer = await peers["AC1"].call(order, suppress=False)
            assert answer.status == "Accepted"
            await until(lambda: draw(depot, "AC1/1") == 10_000)
            if version == "1.6":
                found = await peers["AC1"].call(calls.GetConfiguration(key=["NumberOfConnectors"]), suppress=False)
                assert found.configuration_key[0]["value"] == "1"
        server.close()
        await asyncio.wait_for(server.wait_closed(), 5)

    run(work)
