"""`busbar charge-points`: a depot's charge points, simulated, as clients of a central system."""

from typing import Annotated

import typer

from busbar.entrypoints.options import FINE, DepotArgument, JsonOption
from busbar.entrypoints.screen import print_document, say, show


def charge_points(
    depot: DepotArgument,
    url: Annotated[str, typer.Option("--url", metavar="URL", help="The central system: ws://HOST:PORT.")],
    password: Annotated[
        str | None, typer.Option("--password", metavar="P", help="What every charge point shows (basic auth).")
    ] = None,
    passwords: Annotated[
        str | None, typer.Option("--passwords", metavar="FILE", help="One for each, in lines `CP1 secret`.")
    ] = None,
    protocol: Annotated[str, typer.Option("--protocol", metavar="V", help="1.6, 2.0.1 or mixed.")] = "mixed",
    behaviour: Annotated[
        list[str] | None,
        typer.Option(
            "--behaviour",
            metavar="KIND=CP,...",
            help="deaf, slow, refusing, flapping, reboot_to_full, replaying, no_zero, whole_amperes, half_open or "
            "waits_for_start; may be given several times.",
        ),
    ] = None,
    mix: Annotated[
        str | None, typer.Option("--mix", metavar="SHARE", help="So many of the others misbehave, drawn: `20 %`.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, metavar="N", help="Of everything that is drawn.")] = 0,
    vehicles: Annotated[
        str, typer.Option("--vehicles", metavar="all|SHARE", help="How many connectors have a vehicle at the start.")
    ] = "all",
    speed: Annotated[
        float, typer.Option("--speed", metavar="X", help="Batteries and vehicles' stays run so much faster.")
    ] = 1.0,
    for_: Annotated[
        str | None, typer.Option("--for", metavar="TIME", help="Stop after `10 min`; by default, at Ctrl-C.")
    ] = None,
    meters: Annotated[
        str | None, typer.Option("--meters", metavar="URL", help="Push the circuits' meters there every second (HTTP).")
    ] = None,
    meter_secret: Annotated[
        str | None, typer.Option("--meter-secret", metavar="S", help="What the meters show there.")
    ] = None,
    base_load: Annotated[
        list[str] | None,
        typer.Option("--base-load", metavar="NODE=LOAD", help="`GC1=85 kW`; may be given several times."),
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Simulate a depot's charge points as real OCPP clients."""
    from busbar.adapters.files.depot_file import load_depot
    from busbar.core.projection import project
    from busbar.entrypoints.charge_point_options import Given, understood
    from busbar.entrypoints.render_charge_points import count_document, count_line, summary_text
    from busbar.simulator.stations.building import Cast
    from busbar.simulator.stations.conditions import Conditions
    from busbar.simulator.stations.running import Run, run_charge_points

    projection = project(load_depot(depot))
    given = Given(
        url=url,
        passwords=passwords,
        protocol=protocol,
        behaviour=behaviour or (),
        mix=mix,
        seed=seed,
        vehicles=vehicles,
        speed=speed,
        for_=for_,
        meters=meters,
        base_load=base_load or (),
    )
    wanted = understood(given, projection)
    run = Run(
        url=url,
        cast=Cast(
            protocol=protocol,
            behaviours=wanted.behaviours,
            passwords=wanted.passwords,
            password=password,
            seed=seed,
        ),
        conditions=Conditions(speed=speed, traffic=wanted.traffic),
        base_load=wanted.base_load,
        meters_url=meters,
        meter_secret=meter_secret,
        for_s=wanted.for_s,
    )
    say(f"{projection.depot.id}: connecting to {url}; Ctrl-C ends it.")
    ended = run_charge_points(projection, run, tell=lambda seen: say(count_line(seen)))
    if as_json:
        print_document(count_document(ended))
    else:
        show(summary_text(ended))
    return FINE
