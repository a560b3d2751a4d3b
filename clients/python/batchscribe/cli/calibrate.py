"""`batchscribe calibrate`: measure how much margin a model needs, on the machine of the server."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated

import typer

from batchscribe.cli.command import Json
from batchscribe.cli.exit_codes import ExitCode
from batchscribe.cli.option_values import plainly_read

app = typer.Typer()


@app.command("calibrate")
@plainly_read
def calibrate(
    context: typer.Context,
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A name, a folder, a Hugging Face id, as for `serve --model`.")
    ],
    speech: Annotated[Path, typer.Argument(metavar="SPEECH", help="A folder of recordings, best with references.tsv.")],
    margin: Annotated[
        list[float] | None,
        typer.Option(metavar="S", min=0, max=29, help="A margin to try. Repeatable.", show_default="0.5 1 1.5 2 3 4 6"),
    ] = None,
    beam: Annotated[int, typer.Option(min=1, max=10, help="The width of the beam; 1 is greedy.")] = 1,
    language: Annotated[
        str, typer.Option(help="The language that is spoken.", show_default="detected for each segment")
    ] = "",
    as_it_is: Annotated[
        bool, typer.Option("--as-it-is", help="Don't hear it softer, in noise and over the telephone too.")
    ] = False,
    note: Annotated[
        str, typer.Option(metavar="TEXT", help="What the speech is, kept with the result.", show_default="its folder")
    ] = "",
    data_dir: Annotated[Path | None, typer.Option(metavar="DIR", help="The server's data directory.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, …", show_default="auto")] = None,
    compute_type: Annotated[str | None, typer.Option(help="int8, float16, …", show_default="auto")] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="The server's settings file.")] = None,
    json: Json = False,
) -> None:
    """Measure how much longer than a segment the encoder's window must be for a model, and keep the result.

    Short windows make transcribing several times faster; a margin too small costs words. SPEECH should sound like what
    the model is for, and last some minutes. With a references.tsv in it (columns file, channel, text) errors are
    counted against that, else against what the model hears in windows of 30 s. The server uses the result from then on.
    """
    try:
        server = importlib.import_module("batchscribe_server.calibrate")
    except ModuleNotFoundError as error:
        typer.echo(
            f"error: the server is not installed ({error.name} is missing): pip install 'batchscribe[server]'", err=True
        )
        raise typer.Exit(ExitCode.USAGE) from error
    settings = {"data_dir": data_dir, "device": device, "compute_type": compute_type, "config": config}
    before = context.find_root().obj
    try:
        status = server.calibrate(
            model,
            speech,
            margins_s=margin or (),
            as_it_is=as_it_is,
            beam_size=beam,
            language=language,
            note=note,
            json=json or before.json,
            options={name: value for name, value in settings.items() if value is not None},
        )
    except KeyboardInterrupt:
        typer.echo("interrupted: nothing was kept", err=True)
        status = ExitCode.INTERRUPTED
    raise typer.Exit(status)
