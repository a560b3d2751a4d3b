"""Commands that talk to a server: their common options, their event loop, and their errors as one line."""

from __future__ import annotations

import asyncio
import dataclasses
import difflib
import inspect
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Concatenate, ParamSpec

import typer
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message

from batchscribe.async_client import AsyncClient
from batchscribe.cli.exit_codes import EXIT_CODES_HELP, ExitCode, exit_code_of
from batchscribe.cli.interrupts import LeftRunning
from batchscribe.cli.option_values import readable
from batchscribe.cli.printing import json_visible, note, result_line, visible, visible_lines
from batchscribe.cli.wording import fitted
from batchscribe.connection import ADDRESS_VARIABLE
from batchscribe.errors import BatchscribeError, UnavailableError

P = ParamSpec("P")

# A person at a terminal should know soon that there is no server.
_RETRY_S = 3.0

Address = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="Where the server is; else $BATCHSCRIBE_ADDRESS, else 127.0.0.1:50051."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON lines, for programs.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Say more when something goes wrong.")]


@dataclass(frozen=True, slots=True)
class Invocation:
    """What every command is told: where the server is, and how to print."""

    address: str | None = None
    json: bool = False
    verbose: bool = False

    def client(self) -> AsyncClient:
        """A client of the server."""
        return AsyncClient(self.address, retry_s=_RETRY_S)

    def say(self, text: str) -> None:
        """A line for people, on standard error."""
        note(visible(text))

    def print(self, message: Message, text: str) -> None:
        """A result on standard output: the message as a line of JSON, or the text."""
        result_line(json_line(message) if self.json else visible_lines(text))

    def print_table(self, columns: Sequence[str], items: Sequence[Any], row: Callable[[Any], Sequence[str]]) -> None:
        """Results as lines of JSON, or as a table that fits the terminal."""
        width = shutil.get_terminal_size().columns if sys.stdout is not None and sys.stdout.isatty() else sys.maxsize
        lines = fitted([columns, *map(row, items)], width)
        if not self.json:
            result_line(lines[0])
        for item, line in zip(items, lines[1:], strict=True):
            self.print(item, line)


Body = Callable[Concatenate[Invocation, P], Coroutine[Any, Any, ExitCode | None]]


def json_line(message: Message) -> str:
    """A message as one line of JSON, its fields named as in the proto."""
    return json_visible(MessageToJson(message, preserving_proto_field_name=True, indent=None, ensure_ascii=False))


def command(app: typer.Typer, name: str) -> Callable[[Body[P]], Body[P]]:
    """Make a coroutine function a command of `app`.

    Its parameters after the invocation are the command's. One whose type is a dataclass stands for the options that
    are the dataclass's fields. `--address`, `--json` and `--verbose` come of themselves.
    """

    def register(body: Body[P]) -> Body[P]:
        own = list(inspect.signature(body, eval_str=True).parameters.values())[1:]
        groups: dict[str, Any] = {p.name: p.annotation for p in own if dataclasses.is_dataclass(p.annotation)}
        parameters = [_keyword("context", typer.Context)]
        for parameter in own:
            if parameter.name in groups:
                parameters += _fields_as_parameters(groups[parameter.name])
            else:
                parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
        parameters += [
            _keyword("address", Address, None),
            _keyword("json", Json, default=False),
            _keyword("verbose", Verbose, default=False),
        ]

        parameters = [each.replace(annotation=readable(each.annotation)) for each in parameters]

        def run(**given: Any) -> None:
            invocation = _invocation(
                given.pop("context"), given.pop("address"), given.pop("json"), given.pop("verbose")
            )
            for group, kind in groups.items():
                given[group] = kind(**{field.name: given.pop(field.name) for field in dataclasses.fields(kind)})
            raise typer.Exit(_execute(invocation, body(invocation, **given)))  # type: ignore[call-arg]

        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        app.command(name, help=body.__doc__, epilog=EXIT_CODES_HELP)(run)
        return body

    return register


def report(invocation: Invocation, error: Exception) -> None:
    """An error as one line on standard error."""
    match error:
        case UnavailableError():
            where = invocation.client().address
            text = f"can't reach the server at {where}; is `batchscribe serve` running there?"
            if invocation.verbose:
                text += f" {error.message}"
        case UnicodeEncodeError():  # bytes of an argument, which Python keeps as surrogates
            text = f"{error.object}: is not UTF-8"
        case OSError() if error.filename is not None:
            text = f"{error.filename}: {error.strerror}"
        case _:
            text = str(error) or type(error).__name__
    if isinstance(error, BatchscribeError):
        text += f" ({error.reason})" if error.reason else ""
        text += f" [request {error.request_id}]" if invocation.verbose and error.request_id else ""
    invocation.say("error: " + " ".join(text.split()))


def _execute(invocation: Invocation, body: Coroutine[Any, Any, ExitCode | None]) -> ExitCode:
    _warn_of_variables(invocation)
    try:
        return asyncio.run(body) or ExitCode.DONE
    except KeyboardInterrupt:
        invocation.say("interrupted")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        return ExitCode.FAILED  # the reader of the output has gone and wants no more
    except LeftRunning:
        return ExitCode.INTERRUPTED
    except (BatchscribeError, OSError, ValueError) as error:
        report(invocation, error)
        return exit_code_of(error)
    except Exception as error:  # noqa: BLE001 - the boundary: a person gets a line, and the trace on demand
        if invocation.verbose:
            traceback.print_exc()
        invocation.say(f"error: internal: {type(error).__name__}: {error}")
        return ExitCode.FAILED


def _warn_of_variables(invocation: Invocation) -> None:
    """The server has many variables, a client one: what is spelled almost like it is meant for it."""
    if not invocation.address and not os.environ.get(ADDRESS_VARIABLE):
        for name in difflib.get_close_matches(ADDRESS_VARIABLE, os.environ, cutoff=0.85):
            if name != ADDRESS_VARIABLE:
                invocation.say(f"warning: {name} is not read; the variable for the server is {ADDRESS_VARIABLE}")


def _invocation(context: typer.Context, address: str | None, json: bool, verbose: bool) -> Invocation:
    """What was said after the command counts, then what was said before it."""
    outer = context.find_root().obj
    before = outer if isinstance(outer, Invocation) else Invocation()
    return Invocation(address or before.address, json or before.json, verbose or before.verbose)


def _keyword(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _fields_as_parameters(group: Any) -> list[inspect.Parameter]:
    hints = inspect.get_annotations(group, eval_str=True)
    return [_keyword(field.name, hints[field.name], field.default) for field in dataclasses.fields(group)]
