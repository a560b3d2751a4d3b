"""Column types: how a domain value lies in a column, the same on every database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Dialect, Text
from sqlalchemy.types import TypeDecorator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_microseconds(moment: datetime) -> int:
    """Microseconds since 1970, UTC, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """The moment so many microseconds after 1970, UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


class Moment(TypeDecorator[datetime]):
    """A time, as microseconds since 1970: it sorts, compares and computes alike everywhere."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """To the column."""
        return None if value is None else to_microseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """From the column."""
        return None if value is None else from_microseconds(value)


class Named(TypeDecorator[Any]):
    """A member of a string enum, by its value."""

    impl = Text
    cache_ok = True

    def __init__(self, members: type) -> None:
        super().__init__()
        self.members = members

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """To the column."""
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """From the column."""
        return None if value is None else self.members(value)


class Optional(TypeDecorator[str]):
    """Text whose absence the domain writes as an empty string and the database as NULL."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """To the column."""
        return value or None

    def process_result_value(self, value: str | None, dialect: Dialect) -> str:
        """From the column."""
        return value or ""


class Payload(TypeDecorator[Any]):
    """A value of the domain as JSON, read back against its type. None is NULL."""

    impl = Text
    cache_ok = True

    def __init__(self, shape: Any) -> None:
        super().__init__()
        self.shape = shape
        self._decoder = msgspec.json.Decoder(shape)

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """To the column."""
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """From the column."""
        return None if value is None else self._decoder.decode(value)


class TaggedPayload(TypeDecorator[Any]):
    """One of several dataclasses as `{"kind": …, "value": {…}}`."""

    impl = Text
    cache_ok = True

    def __init__(self, shapes: tuple[tuple[str, type], ...]) -> None:
        super().__init__()
        self.shapes = shapes
        self._kinds: Mapping[type, str] = {shape: kind for kind, shape in shapes}
        self._types: Mapping[str, type] = dict(shapes)

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """To the column."""
        if value is None:
            return None
        return msgspec.json.encode({"kind": self._kinds[type(value)], "value": value}).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """From the column."""
        if value is None:
            return None
        tagged = msgspec.json.decode(value, type=_Tagged)
        return msgspec.json.decode(tagged.value, type=self._types[tagged.kind])


class _Tagged(msgspec.Struct, frozen=True):
    kind: str
    value: msgspec.Raw
