"""The command line: `busbar COMMAND ...`. Exit codes and refusals are the same for every command."""

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from busbar.core.errors import BusbarError, NotAvailableError, Problem, RefusedError
from busbar.entrypoints import (
    command_accept,
    command_balance,
    command_charge_points,
    command_credential,
    command_demo,
    command_depot,
    command_operate,
    command_scenario,
    command_serve,
    command_simulate,
    command_token,
    command_webhook,
)
from busbar.entrypoints.documents import refusal_document
from busbar.entrypoints.options import FINE, OUR_FAULT, REFUSED
from busbar.entrypoints.render_problems import problem_blocks
from busbar.entrypoints.screen import print_document, say, show, survive_any_encoding

app = typer.Typer(
    name="busbar",
    help="Keeps an EV depot inside its electrical limits, at every level of its wiring.",
    epilog="Exit codes: 0 fine; 1 a limit or an expectation broken; 2 bad input or not available; 3 our fault.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
app.command("validate")(command_depot.validate)
app.command("tree")(command_depot.tree)
app.command("balance")(command_balance.balance)
app.command("explain")(command_balance.explain)
app.command("import")(command_depot.import_)
app.command("simulate")(command_simulate.simulate)
app.command("accept")(command_accept.accept)
app.command("compare")(command_simulate.compare)
app.command("scenario-schema")(command_scenario.scenario_schema)
app.command("demo")(command_demo.demo)
app.command("hold")(command_operate.hold)
app.command("resume")(command_operate.resume)
app.command("stop")(command_operate.stop)
app.command("isolate")(command_operate.isolate)
app.command("return")(command_operate.return_)
app.command("safe")(command_operate.safe)
app.command("normal")(command_operate.normal)
app.command("orders")(command_operate.orders)
app.command("plan")(command_operate.plan)
app.command("credential")(command_credential.credential)
app.command("pending")(command_credential.pending)
app.add_typer(command_token.app, name="token")
app.add_typer(command_webhook.app, name="webhook")
app.command("charge-points")(command_charge_points.charge_points)
app.command("serve")(command_serve.serve)
app.command("commission")(command_serve.commission)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        show(f"busbar {version('busbar')}")
        raise typer.Exit


@app.callback()
def _busbar(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Keeps an EV depot inside its electrical limits, at every level of its wiring."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; `arguments` are those of the process by default."""
    arguments = sys.argv[1:] if arguments is None else arguments
    survive_any_encoding()
    wants_json = "--json" in arguments
    try:
        code = app(list(arguments), prog_name="busbar", standalone_mode=False)
        sys.stdout.flush()
    except RefusedError as refusal:
        return _refuse(refusal.problems, wants_json)
    except NotAvailableError as error:
        return _refuse((Problem(path="busbar", rule=f"Not available yet: {error}", fix=""),), wants_json)
    except BusbarError as error:
        return _refuse((Problem(path="busbar", rule=str(error), fix=""),), wants_json)
    except typer.TyperException as error:
        return _refuse_usage(error, wants_json)
    except BrokenPipeError:
        # Whoever was reading has seen enough (`busbar tree ... | head`). Nothing more is to be written at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINE
    except OSError as error:
        # A full disk, a closed terminal: nobody's bug.
        return _refuse((Problem(path="busbar", rule=f"The system refused: {error}.", fix=""),), wants_json)
    except Exception as error:
        return _our_fault(error)
    return int(code or FINE)


def _refuse(problems: Sequence[Problem], wants_json: bool) -> int:
    """Say what is wrong with what was asked, all of it."""
    if wants_json:
        print_document(refusal_document(problems))
    else:
        say(problem_blocks(problems))
    return REFUSED


def _refuse_usage(error: typer.TyperException, wants_json: bool) -> int:
    """The arguments themselves are wrong."""
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    if wants_json:
        fix = "See `busbar --help`."
        return _refuse((Problem(path="busbar", rule=message, fix=fix),), wants_json)
    if hasattr(error, "show"):
        error.show()
    else:
        say(message)
    return REFUSED


def _our_fault(error: Exception) -> int:
    """Something we did not expect: not the input's fault."""
    if os.environ.get("BUSBAR_TRACEBACK"):
        traceback.print_exc()
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    say(f"Busbar failed, and that is its own fault, not your input's: {text}")
    if not os.environ.get("BUSBAR_TRACEBACK"):
        say("Please report it with what BUSBAR_TRACEBACK=1 prints.")
    return OUR_FAULT
