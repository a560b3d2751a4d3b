"""`batchscribe serve`: the server, where it is installed."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated, Literal

import typer

from batchscribe.cli.exit_codes import ExitCode
from batchscribe.cli.option_values import plainly_read

app = typer.Typer()


@app.command("serve")
@plainly_read
def serve(
    listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where to listen.", show_default="127.0.0.1:50051")
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(metavar="DIR", help="Where jobs and transcripts are kept.")] = None,
    file_root: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="A folder that file:// URIs may read and write. Repeatable."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The default model: a name, a folder, a Hugging Face id.", show_default="base")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, or a list: cuda:0,cuda:1", show_default="auto")] = None,
    compute_type: Annotated[str | None, typer.Option(help="int8, float16, …", show_default="auto")] = None,
    media_workers: Annotated[int | None, typer.Option(min=1, help="Processes that decode audio.")] = None,
    metrics_listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where Prometheus may read metrics.", show_default="off")
    ] = None,
    admin_listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where operators may call.", show_default="off")
    ] = None,
    drain_timeout: Annotated[
        float | None, typer.Option(metavar="S", min=0, help="How long running files may take to end at a stop.")
    ] = None,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None, typer.Option(help="What is logged.")
    ] = None,
    log_format: Annotated[Literal["json", "console"] | None, typer.Option(help="How it is logged.")] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="A file with these and more settings.")] = None,
) -> None:
    """Run the server until it is told to stop. What is not given comes from the environment, the file, the defaults."""
    given: dict[str, object] = {
        "listen": listen,
        "data_dir": data_dir,
        "file_root": file_root,
        "model": model,
        "device": device,
        "compute_type": compute_type,
        "media_workers": media_workers,
        "metrics_listen": metrics_listen,
        "admin_listen": admin_listen,
        "drain_timeout_s": drain_timeout,
        "log_level": log_level,
        "log_format": log_format,
        "config": config,
    }
    try:
        server = importlib.import_module("batchscribe_server.app")
    except ModuleNotFoundError as error:
        typer.echo(
            f"error: the server is not installed ({error.name} is missing): pip install 'batchscribe[server]'", err=True
        )
        raise typer.Exit(ExitCode.USAGE) from error
    raise typer.Exit(server.serve({name: value for name, value in given.items() if value not in (None, [])}))
