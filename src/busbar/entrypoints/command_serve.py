"""`busbar serve`: depots under control, for as long as it runs."""

from typing import Annotated

import typer

from busbar.core.errors import BusbarError, Problem, RefusedError
from busbar.entrypoints.options import FINE, DatabaseOption, JsonOption

DepotsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[DEPOT]...", help="Depot files to import first; without any, what the store has."),
]
OcppHostOption = Annotated[str, typer.Option("--ocpp-host", metavar="HOST", help="Where charge points connect.")]
OcppPortOption = Annotated[int, typer.Option("--ocpp-port", metavar="PORT", min=0, max=65535)]
HttpHostOption = Annotated[str, typer.Option("--http-host", metavar="HOST", help="Where meters push their values.")]
HttpPortOption = Annotated[int, typer.Option("--http-port", metavar="PORT", min=0, max=65535)]
ProofOption = Annotated[
    str,
    typer.Option(
        "--proof", metavar="KIND", help="How charge points prove who they are: password, certificate, either, nothing."
    ),
]
CertificateOption = Annotated[str | None, typer.Option("--certificate", metavar="FILE", help="TLS certificate (PEM).")]
KeyOption = Annotated[str | None, typer.Option("--key", metavar="FILE", help="Its key (PEM).")]
ClientCaOption = Annotated[
    str | None, typer.Option("--client-ca", metavar="FILE", help="Who signs charge points' certificates (PEM).")
]
QuirksOption = Annotated[
    str | None, typer.Option("--quirks", metavar="FILE", help="Entries that come before the shipped quirk table.")
]
MeterPasswordsOption = Annotated[
    str | None,
    typer.Option("--meter-passwords", metavar="FILE", help="Lines `USER@HOST:PORT PASSWORD` of MQTT users."),
]
RegisterMapsOption = Annotated[
    str | None, typer.Option("--register-maps", metavar="FOLDER", help="Register maps of your own for Modbus meters.")
]
CycleOption = Annotated[
    float, typer.Option("--cycle", metavar="SECONDS", min=0.2, max=300, help="From cycle to cycle.")
]
LeaseOption = Annotated[
    int, typer.Option("--lease", metavar="SECONDS", min=4, max=3600, help="How long a setpoint holds by itself.")
]
SampleOption = Annotated[
    int, typer.Option("--sample", metavar="SECONDS", min=1, max=300, help="How often charge points report their draw.")
]
SkewOption = Annotated[
    float, typer.Option("--skew", metavar="SECONDS", min=0, max=300, help="The largest clock skew that is trusted.")
]
RampOption = Annotated[
    float, typer.Option("--ramp", metavar="SECONDS", min=0.5, max=300, help="How long a vehicle takes to follow.")
]
# Nobody needs other ones but tests, which have no minutes to wait.
StaleOption = Annotated[float, typer.Option("--stale", metavar="SECONDS", min=0.5, max=300, hidden=True)]
SilentOption = Annotated[float, typer.Option("--silent", metavar="SECONDS", min=1, max=3600, hidden=True)]
SafeOption = Annotated[float, typer.Option("--safe", metavar="SECONDS", min=1, max=3600, hidden=True)]
KeepOption = Annotated[int, typer.Option("--keep", metavar="DAYS", min=1, help="How long cycles are kept.")]
OnlyOption = Annotated[
    list[str] | None, typer.Option("--depot", metavar="ID", help="Serve this stored depot only; may be repeated.")
]
LogJsonOption = Annotated[
    bool | None, typer.Option("--log-json/--log-text", help="How log lines look; JSON unless at a terminal.")
]


def serve(
    depots: DepotsArgument = None,
    only: OnlyOption = None,
    database: DatabaseOption = None,
    ocpp_host: OcppHostOption = "127.0.0.1",
    ocpp_port: OcppPortOption = 9000,
    http_host: HttpHostOption = "127.0.0.1",
    http_port: HttpPortOption = 8000,
    proof: ProofOption = "password",
    certificate: CertificateOption = None,
    key: KeyOption = None,
    client_ca: ClientCaOption = None,
    quirks: QuirksOption = None,
    meter_passwords: MeterPasswordsOption = None,
    register_maps: RegisterMapsOption = None,
    cycle: CycleOption = 5.0,
    lease: LeaseOption = 120,
    sample: SampleOption = 10,
    skew: SkewOption = 15.0,
    ramp: RampOption = 10.0,
    stale: StaleOption = 15.0,
    silent: SilentOption = 60.0,
    safe: SafeOption = 60.0,
    keep: KeepOption = 90,
    log_json: LogJsonOption = None,
    as_json: JsonOption = False,
) -> int:
    """Keep depots inside their limits: charge points over OCPP, meters, a cycle every few seconds."""
    from pathlib import Path

    from busbar.adapters.ocpp.listening import Listening, Proof, check_listening
    from busbar.bootstrap import database_url
    from busbar.engine.timing import Timing
    from busbar.entrypoints.log_lines import set_up_logging
    from busbar.entrypoints.serving import Addresses, read_passwords, serve_until_stopped
    from busbar.service import Settings

    if proof not in list(Proof):
        fix = f"One of {', '.join(Proof)}."
        raise RefusedError((Problem(path="--proof", value=proof, rule="There is no such proof.", fix=fix),))
    listening = Listening(
        host=ocpp_host,
        port=ocpp_port,
        proof=Proof(proof),
        certificate_file=None if certificate is None else Path(certificate),
        key_file=None if key is None else Path(key),
        client_ca_file=None if client_ca is None else Path(client_ca),
    )
    check_listening(listening)
    timing = Timing(
        cycle_s=cycle,
        lease_s=lease,
        renew_s=min(40.0, lease / 3),
        skew_s=skew,
        ramp_s=ramp,
        sample_s=sample,
        raise_s=min(5.0, cycle),
        answer_s=min(10.0, lease / 4),
        stale_s=stale,
        silent_s=silent,
        safe_s=safe,
    )
    set_up_logging(as_json=True if as_json else log_json)
    settings = Settings(
        database=database_url(database),
        depots=tuple(only or ()),
        listening=listening,
        timing=timing,
        quirks_file=None if quirks is None else Path(quirks),
        meter_passwords={} if meter_passwords is None else read_passwords(Path(meter_passwords)),
        register_maps=None if register_maps is None else Path(register_maps),
        keep_days=keep,
    )
    serve_until_stopped(settings, files=depots or [], addresses=Addresses(http_host=http_host, http_port=http_port))
    return FINE


def commission(
    charge_point: Annotated[str, typer.Argument(metavar="CHARGE_POINT", help="The charge point to prove.")],
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who answers for it.")],
    depot: Annotated[
        str | None, typer.Option("--depot", metavar="ID", help="Which depot, where there are several.")
    ] = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> int:
    """Prove what a charge point does when it is left alone: cut its connection, and watch by meter.

    Needs `busbar serve` running, and a vehicle on it that draws more than the fallback.
    """
    from busbar.bootstrap import database_url
    from busbar.entrypoints.commissioning import commission_and_wait

    if not by.strip():
        raise BusbarError("Say who answers for it: --by NAME.")
    return commission_and_wait(charge_point, by=by, depot_id=depot, database=database_url(database), as_json=as_json)
