"""How the values of options are read: words as the contract has them too, numbers in their range, and plain errors."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from enum import Enum
from functools import cache, partial
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import typer
from typer.models import ParameterInfo

from batchscribe.states import did_you_mean
from batchscribe.v1 import recognition_pb2, storage_pb2

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

_MAX_INT = 2**31 - 1
"""The largest that the contract's whole numbers hold."""

_OTHER_WORDS = {"text": "txt"}
"""Words of the contract that the command line has others for."""


def plainly_read(function: FunctionT) -> FunctionT:
    """A decorator: the options of a command are read as described here."""
    hints = get_type_hints(function, include_extras=True)
    function.__annotations__ = {name: readable(hint) for name, hint in hints.items()}
    return function


def readable(annotation: Any) -> Any:
    """The annotation of an option, with a parser where its values are words of a list, or numbers."""
    if get_origin(annotation) is not Annotated:
        return annotation
    type_, *metadata = get_args(annotation)
    infos = [each for each in metadata if isinstance(each, ParameterInfo)]
    leaf = _leaf(type_)
    if not infos or infos[0].parser is not None or leaf is bool:
        return annotation
    info = copy.copy(infos[0])
    words = _words_of(leaf)
    if words:
        info.parser = partial(_word, words)
        info.metavar = info.metavar or "|".join(words)
    elif leaf in (int, float):
        info.parser = partial(_number, leaf, info.min, info.max)
        info.metavar = info.metavar or "N"
    else:
        return annotation
    return Annotated[type_, info]


def _leaf(type_: Any) -> Any:
    """The type of one value: of `list[X] | None` it is X."""
    if get_origin(type_) in (Union, UnionType):
        (type_,) = (each for each in get_args(type_) if each is not NoneType)
    return get_args(type_)[0] if get_origin(type_) is list else type_


def _words_of(type_: Any) -> dict[str, Any]:
    """The words by which the values of an enum or a Literal go."""
    if get_origin(type_) is Literal:
        return {word: word for word in get_args(type_)}
    return {str(each.value): each for each in type_} if isinstance(type_, type) and issubclass(type_, Enum) else {}


def _word(words: dict[str, Any], given: Any) -> Any:
    if not isinstance(given, str):
        return given  # a default
    word = given.strip().lower().replace("-", "_")
    if word.upper() in _contract_names():
        # Of TRANSCRIPT_FORMAT_JSON_V2 the end that is longest of those that are words here.
        word = max((each for each in (*words, *_OTHER_WORDS) if word.endswith(f"_{each}")), key=len, default=word)
    if word not in words:
        word = _OTHER_WORDS.get(word, word)
    if word not in words:
        raise typer.BadParameter(f"{given!r} is not one of {', '.join(words)}{did_you_mean(given, words)}")
    return words[word]


def _number(kind: type[int] | type[float], low: float | None, high: float | None, given: Any) -> Any:
    try:
        value = kind(given)
    except ValueError:
        raise typer.BadParameter(f"{given!r} is no {'whole ' if kind is int else ''}number") from None
    if not math.isfinite(value):
        raise typer.BadParameter(f"{given!r} is no number")
    bound = _MAX_INT if kind is int else math.inf
    if value < (low := -bound if low is None else low):
        raise typer.BadParameter(f"{given} is less than {low:.15g}")
    if value > (high := bound if high is None else high):
        raise typer.BadParameter(f"{given} is more than {high:.15g}")
    return value


@cache
def _contract_names() -> frozenset[str]:
    files: Sequence[Any] = (recognition_pb2.DESCRIPTOR, storage_pb2.DESCRIPTOR)
    enums = [enum for file in files for enum in file.enum_types_by_name.values()]
    enums += [
        enum
        for file in files
        for message in file.message_types_by_name.values()
        for enum in message.enum_types_by_name.values()
    ]
    return frozenset(name for enum in enums for name in enum.values_by_name)
