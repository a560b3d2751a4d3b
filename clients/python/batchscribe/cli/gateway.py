"""`batchscribe gateway`: Envoy in front of replicas, where it is installed."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated, Literal

import typer

from batchscribe.cli.exit_codes import ExitCode
from batchscribe.cli.option_values import plainly_read

app = typer.Typer()


@app.command("gateway")
@plainly_read
def gateway(
    replica: Annotated[
        list[str],
        typer.Option(
            metavar="HOST:PORT", help="A server to send calls to, or a DNS name with several addresses. Repeatable."
        ),
    ],
    listen: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS:PORT", help="Where to listen; 0.0.0.0 for all.", show_default="127.0.0.1:8080"),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The certificate chain for TLS, PEM.", show_default="no TLS")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="Its private key, PEM.")] = None,
    client_ca: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Clients must show a certificate of these authorities, PEM."),
    ] = None,
    rate_limit: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Requests a second from one address.", show_default="no limit"),
    ] = None,
    cors_origin: Annotated[
        list[str] | None,
        typer.Option(metavar="ORIGIN", help="A web origin whose pages may call, or *. Repeatable."),
    ] = None,
    host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A name that clients call it by: then no other is answered. Repeatable.",
            show_default="any; on loopback its own",
        ),
    ] = None,
    admin_listen: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Envoy's admin port, on loopback.", show_default="127.0.0.1, any port"),
    ] = None,
    drain_delay: Annotated[
        int | None,
        typer.Option(metavar="S", min=1, help="How long it takes calls after SIGTERM, unhealthy.", show_default="5"),
    ] = None,
    drain_timeout: Annotated[
        float | None,
        typer.Option(metavar="S", min=0, help="How long open calls may go on after that.", show_default="30"),
    ] = None,
    log_level: Annotated[Literal["debug", "info", "warning", "error"], typer.Option(help="What is logged.")] = "info",
    log_format: Annotated[Literal["auto", "json", "console"], typer.Option(help="How it is logged.")] = "auto",
) -> None:
    """Run Envoy in front of one server or several: gRPC, REST, gRPC-Web and /healthz on one port, until told to stop.

    The access log goes to standard output, a line of JSON for each request.
    """
    given: dict[str, object] = {
        "replica": replica,
        "listen": listen,
        "tls_cert": tls_cert,
        "tls_key": tls_key,
        "client_ca": client_ca,
        "rate_limit": rate_limit,
        "cors_origin": cors_origin,
        "host": host,
        "admin_listen": admin_listen,
        "drain_delay_s": drain_delay,
        "drain_timeout_s": drain_timeout,
    }
    try:
        edge = importlib.import_module("batchscribe_server.gateway")
    except ModuleNotFoundError as error:
        typer.echo(
            f"error: the gateway is not installed ({error.name} is missing): pip install 'batchscribe[gateway]'",
            err=True,
        )
        raise typer.Exit(ExitCode.USAGE) from error
    raise typer.Exit(
        edge.serve(
            {name: value for name, value in given.items() if value not in (None, [])},
            log_level=log_level,
            log_format=log_format,
        )
    )
