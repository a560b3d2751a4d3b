"""What stores are reached with: options that name a profile of the server, or a file with credentials."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from google.protobuf.json_format import Parse, ParseError

from batchscribe.v1.storage_pb2 import OutputConfig, StorageAuth

_STORAGE = "Object stores"


@dataclass(frozen=True, slots=True)
class AccessArguments:
    """Whose credentials inputs are read with and outputs written with. None are ever given on the command line."""

    profile: Annotated[
        str, typer.Option(metavar="NAME", help="A storage profile of the server.", rich_help_panel=_STORAGE)
    ] = ""
    auth: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help='Your credentials: {"s3": {"access_key_id": …, "secret_access_key": …}}, {"ibm": …}, {"azure": …}.',
            rich_help_panel=_STORAGE,
        ),
    ] = None
    output_profile: Annotated[
        str, typer.Option(metavar="NAME", help="The same for outputs; else the input's.", rich_help_panel=_STORAGE)
    ] = ""
    output_auth: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The same for outputs; else the input's.", rich_help_panel=_STORAGE),
    ] = None

    @property
    def input_auth(self) -> StorageAuth | None:
        """The input's access. Raises OSError, and ValueError for a contradiction."""
        return _auth(self.profile, self.auth, "--profile", "--auth")

    def output(self, config: OutputConfig | None) -> OutputConfig | None:
        """The output with its access. Raises OSError, and ValueError for a contradiction."""
        auth = _auth(self.output_profile, self.output_auth, "--output-profile", "--output-auth")
        if auth is None:
            return config
        config = config or OutputConfig()
        config.auth.CopyFrom(auth)
        return config


def _auth(profile: str, file: Path | None, profile_option: str, file_option: str) -> StorageAuth | None:
    if profile and file:
        raise ValueError(f"give either {profile_option} or {file_option}")
    if profile:
        return StorageAuth(profile=profile)
    return read_auth(file) if file else None


def read_auth(file: Path) -> StorageAuth:
    """The credentials in a file, as JSON of the contract's StorageAuth. Raises OSError, ValueError."""
    try:
        auth = Parse(file.read_text(encoding="utf-8-sig"), StorageAuth())
    except (ParseError, UnicodeDecodeError):
        # What the parser says may hold a secret.
        raise ValueError(f'{file}: is not JSON like {{"s3": {{"access_key_id": …}}}}') from None
    if auth.WhichOneof("credentials") is None:
        raise ValueError(f"{file}: holds no credentials")
    return auth
