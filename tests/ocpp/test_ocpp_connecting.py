"""Who may connect, how they prove it, and how many there may be."""

import asyncio
import base64
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ocpp_certificates import Authority
from ocpp_peers import OPEN, TOUCHED, Central, ac_point, central, depot, in_loop, order, peer, ready_peer
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from busbar.adapters.memory_records import MemoryRecords
from busbar.adapters.ocpp.listening import Listening, Proof, check_listening, tls_context
from busbar.adapters.secrets import hash_secret
from busbar.core.errors import BusbarError
from busbar.engine.events import Connected, Disconnected, Ready
from busbar.engine.orders import Answer
from busbar.engine.ports import Credential

GONE = (OSError, EOFError, ConnectionClosed, InvalidMessage)
"""How a client finds out that it was cut off before or during the handshake."""
PASSWORDS = replace(OPEN, proof=Proof.PASSWORD)


async def _status(to: Central, path: str, **more: object) -> int:
    """The HTTP status that a connection is turned away with; 101: it is let in."""
    try:
        async with peer(to, path=path, **more):  # type: ignore[arg-type]
            return 101
    except InvalidStatus as error:
        return error.response.status_code


def _basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


async def _pending(to: Central) -> dict[str, str]:
    """Identity -> reason, once somebody is noted."""
    while not (noted := await to.records.pending_identities()):
        await asyncio.sleep(0.01)
    return {one.identity: one.reason for one in noted}


async def _with_password(secret: str = "sesame-sesame-1") -> MemoryRecords:
    records = MemoryRecords()
    credential = Credential(kind="charge_point", depot_id="north", subject="CP1", secret_hash=hash_secret(secret))
    await records.save_credential(credential, at=TOUCHED)
    return records


@in_loop
async def test_an_unknown_identity_is_refused_and_noted_with_its_address() -> None:
    async with central() as to:
        assert await _status(to, "/CP9") == 404
        assert await _pending(to) == {"CP9": "not known"}
        assert (await to.records.pending_identities())[0].address == "127.0.0.1"
        assert to.inbox.events == []


@in_loop
async def test_a_percent_encoded_identity_is_known() -> None:
    async with central(depot(ac_point("Bay 3#a"))) as to:
        assert await _status(to, "/Bay%203%23a") == 101


@in_loop
async def test_the_depot_in_the_path_decides_between_namesakes() -> None:
    async with central(depot(name="north"), depot(name="south")) as to:
        assert await _status(to, "/CP1") == 404
        assert "in several depots (north, south)" in (await _pending(to))["CP1"]
        assert await _status(to, "/south/CP1") == 101
        assert [depot_id for depot_id, event in to.inbox.events if isinstance(event, Connected)] == ["south"]
        assert await _status(to, "/south/CP9") == 404


@in_loop
async def test_a_version_that_nobody_speaks_is_refused_and_noted() -> None:
    async with central() as to:
        with pytest.raises(InvalidStatus) as caught:
            async with peer(to, "ocpp1.5"):
                pass
        assert caught.value.response.status_code == 400
        assert "ocpp1.5" in (await _pending(to))["CP1"]


@in_loop
async def test_a_password_is_asked_for_by_default() -> None:
    async with central(listening=Listening(port=0), records=await _with_password()) as to:
        assert await _status(to, "/CP1") == 401
        assert await _status(to, "/CP1", additional_headers=_basic("CP1", "wrong")) == 401
        assert await _status(to, "/CP1", additional_headers=_basic("CP2", "sesame-sesame-1")) == 401
        assert await _status(to, "/CP1", additional_headers=_basic("CP1", "sesame-sesame-1")) == 101
        assert to.inbox.kinds().count("Connected") == 1
        reasons = {one.reason for one in await to.records.pending_identities()}
        assert reasons <= {"no password", "wrong password"}
        assert reasons


@in_loop
async def test_one_that_was_given_no_password_is_noted_as_such() -> None:
    async with central(listening=PASSWORDS) as to:
        assert await _status(to, "/CP1", additional_headers=_basic("CP1", "anything")) == 401
        assert await _pending(to) == {"CP1": "has been given no password yet"}


@in_loop
async def test_a_changed_password_holds_from_the_next_connection_on() -> None:
    records = await _with_password("old-old-old-old-1")
    async with central(listening=PASSWORDS, records=records) as to:
        assert await _status(to, "/CP1", additional_headers=_basic("CP1", "old-old-old-old-1")) == 101
        changed = Credential(
            kind="charge_point", depot_id="north", subject="CP1", secret_hash=hash_secret("new-new-new-new-1")
        )
        await records.save_credential(changed, at=TOUCHED)
        assert await _status(to, "/CP1", additional_headers=_basic("CP1", "old-old-old-old-1")) == 401
        assert await _status(to, "/CP1", additional_headers=_basic("CP1", "new-new-new-new-1")) == 101


def test_nothing_is_believed_outside_loopback() -> None:
    for host in ("0.0.0.0", "::", "10.0.0.5", "depot.example", ""):
        with pytest.raises(BusbarError, match="loopback"):
            check_listening(Listening(host=host, proof=Proof.NOTHING))
    for host in ("127.0.0.1", "127.3.2.1", "::1", "localhost"):
        check_listening(Listening(host=host, proof=Proof.NOTHING))


def test_what_does_not_go_together_is_refused(tmp_path: Path) -> None:
    some = tmp_path / "some.pem"
    for listening in (
        Listening(certificate_file=some),
        Listening(key_file=some),
        Listening(proof=Proof.CERTIFICATE),
        Listening(proof=Proof.CERTIFICATE, client_ca_file=some),
        Listening(certificate_file=some, key_file=some, client_ca_file=some),
    ):
        with pytest.raises(BusbarError):
            check_listening(listening)
    with pytest.raises(BusbarError, match="cannot be used"):
        tls_context(Listening(certificate_file=some, key_file=some))


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    async def run() -> None:
        async with central() as to:
            with pytest.raises(BusbarError, match="cannot connect at"):
                async with central(listening=replace(OPEN, port=to.system.port)):
                    pass

    asyncio.run(run())


def _trusting(authority: Authority) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.certificate_file))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _secured(folder: Path, proof: Proof) -> tuple[Authority, Listening]:
    authority = Authority.made(folder, "ca")
    ours, key = authority.issue("localhost", address="127.0.0.1")
    listening = replace(OPEN, proof=proof, certificate_file=ours, key_file=key)
    if proof is not Proof.PASSWORD:
        listening = replace(listening, client_ca_file=authority.certificate_file)
    return authority, listening


@in_loop
async def test_profile_2_is_a_password_over_tls(tmp_path: Path) -> None:
    authority, listening = _secured(tmp_path, Proof.PASSWORD)
    async with central(listening=listening, records=await _with_password()) as to:
        context = _trusting(authority)
        assert await _status(to, "/CP1", ssl=context) == 401
        right = _basic("CP1", "sesame-sesame-1")
        assert await _status(to, "/CP1", ssl=context, additional_headers=right) == 101


@in_loop
async def test_profile_3_is_a_certificate_that_names_the_charge_point(tmp_path: Path) -> None:
    authority, listening = _secured(tmp_path, Proof.CERTIFICATE)
    async with central(depot(ac_point("CP1"), ac_point("CP2")), listening=listening) as to:
        context = _trusting(authority)
        context.load_cert_chain(*authority.issue("CP1"))
        assert await _status(to, "/CP1", ssl=context) == 101
        assert await _status(to, "/CP2", ssl=context) == 401
        assert (await _pending(to))["CP2"] == "its certificate is for CP1"

        by_other_name = _trusting(authority)
        by_other_name.load_cert_chain(*authority.issue("serial 4711", names=("CP2",)))
        assert await _status(to, "/CP2", ssl=by_other_name) == 101


@in_loop
async def test_no_certificate_or_a_strangers_is_not_let_in(tmp_path: Path) -> None:
    authority, listening = _secured(tmp_path, Proof.CERTIFICATE)
    stranger = Authority.made(tmp_path, "stranger")
    async with central(listening=listening) as to:
        strange = _trusting(authority)
        strange.load_cert_chain(*stranger.issue("CP1"))
        for context in (_trusting(authority), strange):
            with pytest.raises(GONE):
                async with peer(to, ssl=context) as one:
                    await one.boot()
        assert to.inbox.events == []


@in_loop
async def test_on_the_way_to_certificates_either_will_do(tmp_path: Path) -> None:
    authority, listening = _secured(tmp_path, Proof.EITHER)
    async with central(listening=listening, records=await _with_password()) as to:
        assert await _status(to, "/CP1", ssl=_trusting(authority)) == 401
        right = _basic("CP1", "sesame-sesame-1")
        assert await _status(to, "/CP1", ssl=_trusting(authority), additional_headers=right) == 101
        context = _trusting(authority)
        context.load_cert_chain(*authority.issue("CP1"))
        assert await _status(to, "/CP1", ssl=context) == 101


@in_loop
async def test_a_second_connection_takes_the_place_of_the_first() -> None:
    async with central() as to, ready_peer(to) as first:
        await first.start()
        first.script["SetChargingProfile"] = None
        sent = order()
        to.system.send(sent)
        await first.until_told("SetChargingProfile")
        async with peer(to) as second:
            await second.boot()
            await to.inbox.until(Ready, 2)
            await first.is_closed.wait()
            told = [event for _, event in to.inbox.events if isinstance(event, Connected | Disconnected)]
            assert [(type(event).__name__, event.connection) for event in told] == [
                ("Connected", 1),
                ("Disconnected", 1),
                ("Connected", 2),
            ]
            answered = await to.inbox.answer_to(sent)
            assert (answered.answer, answered.connection) == (Answer.NO_ANSWER, 1)
            kinds = to.inbox.kinds()
            assert kinds.index("Answered") < kinds.index("Disconnected")
            assert to.system.connected == 1


@in_loop
async def test_one_that_is_disconnected_on_purpose_is_turned_away_for_a_while() -> None:
    async with central() as to:
        async with ready_peer(to) as one:
            to.system.disconnect("north", "CP1", refuse_for_s=0.5)
            await one.is_closed.wait()
        until = datetime.now(UTC) + timedelta(seconds=10)
        assert await _status(to, "/CP1") == 503
        while (status := await _status(to, "/CP1")) != 101:
            assert status == 503
            assert datetime.now(UTC) < until
            await asyncio.sleep(0.05)
        to.system.disconnect("north", "CP7")
        to.system.disconnect("nowhere", "CP1")


@in_loop
async def test_too_many_connections_are_closed() -> None:
    points = [ac_point(f"CP{number}") for number in range(1, 5)]
    async with central(depot(*points), listening=replace(OPEN, most_connections=2)) as to:
        async with ready_peer(to, path="/CP1"), ready_peer(to, path="/CP2"):
            with pytest.raises(GONE):
                async with peer(to, path="/CP3"):
                    pass
            assert to.system.connected == 2
        await to.inbox.until(Disconnected, 2)
        async with ready_peer(to, path="/CP3"):
            pass


@in_loop
async def test_too_many_at_once_are_asked_to_come_back() -> None:
    async with central(listening=replace(OPEN, connects_per_s=3)) as to:
        statuses = await asyncio.gather(*(_status(to, "/CP9") for _ in range(12)))
        assert set(statuses) == {404, 503}
        assert statuses.count(404) <= 6


@in_loop
async def test_an_oversized_message_closes_the_connection() -> None:
    async with central(listening=replace(OPEN, most_message_bytes=4096)) as to, ready_peer(to) as one:
        await one.say([2, "big", "DataTransfer", {"vendorId": "x", "data": "y" * 5000}])
        await one.is_closed.wait()
        assert one.socket.close_code == 1009
        await to.inbox.until(Disconnected)


@in_loop
async def test_a_message_in_pieces_is_put_together() -> None:
    async with central() as to, ready_peer(to) as one:
        await one.socket.send(iter(['[2,"pie', 'ces","Heart', 'beat",{}]']))
        await one.ask("Heartbeat", {})
        assert one.strays[0][1] == "pieces"
        assert "currentTime" in one.strays[0][2]


@in_loop
async def test_a_silent_connection_is_asked_and_then_given_up() -> None:
    listening = replace(OPEN, ping_s=0.3, silent_s=1.5)
    async with central(listening=listening) as to, ready_peer(to) as one:
        await asyncio.sleep(2.5)
        assert not one.is_closed.is_set(), "it answers pings, so it is there"
        one.socket.transport.pause_reading()
        await to.inbox.until(Disconnected)


@in_loop
async def test_a_charge_point_that_is_gone_from_the_depot_is_disconnected() -> None:
    async with central(depot(ac_point("CP1"), ac_point("CP2"))) as to, ready_peer(to) as one:
        to.system.serve_depot(depot(ac_point("CP2")))
        await one.is_closed.wait()
        await to.inbox.until(Disconnected)
        assert await _status(to, "/CP1") == 404
        assert await _status(to, "/CP2") == 101


@in_loop
async def test_stopping_says_goodbye_and_answers_what_waits() -> None:
    async with central() as to, ready_peer(to) as one:
        await one.start()
        one.script["SetChargingProfile"] = None
        sent = order()
        to.system.send(sent)
        await one.until_told("SetChargingProfile")
        await to.system.stop()
        await one.is_closed.wait()
        assert one.socket.close_code == 1001
        assert (await to.inbox.answer_to(sent)).answer is Answer.NO_ANSWER
        assert to.inbox.kinds()[-1] == "Disconnected"
