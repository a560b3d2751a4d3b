"""The command `batchscribe`: its groups, and what is common to all."""

from __future__ import annotations

import importlib.metadata
from typing import Annotated

import typer

from batchscribe.cli import admin, batch, calibrate, gateway, job, model, serve, transcribe
from batchscribe.cli.command import Address, Invocation, Json, Verbose
from batchscribe.cli.exit_codes import EXIT_CODES_HELP

app = typer.Typer(
    name="batchscribe",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog=EXIT_CODES_HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(importlib.metadata.version("batchscribe"))
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")]


@app.callback()
def options(
    context: typer.Context,
    address: Address = None,
    json: Json = False,
    verbose: Verbose = False,
    version: Version = False,
) -> None:
    """Speech to text, in batches: submit audio, watch it being transcribed, read the transcript."""
    context.obj = Invocation(address, json, verbose)


app.add_typer(serve.app)
app.add_typer(gateway.app)
app.add_typer(calibrate.app)
app.add_typer(transcribe.app)
app.add_typer(job.app, name="job")
app.add_typer(batch.app, name="batch")
app.add_typer(model.app, name="model")
app.add_typer(admin.app, name="admin")


def main() -> None:
    """Run the command line and exit with one of ExitCode."""
    app()
