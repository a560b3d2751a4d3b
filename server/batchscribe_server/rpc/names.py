"""Resource names of the contract, and what ids look like."""

from __future__ import annotations

import re

from batchscribe_server.domain.errors import Violations

_CHOSEN_ID = re.compile(r"[a-z0-9][a-z0-9-]{3,62}")
_KNOWN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SHOWN_CHARACTERS = 80


def shown(value: str) -> str:
    """A client's value as an error message repeats it: quoted, escaped and not too long."""
    return ascii(value if len(value) <= _SHOWN_CHARACTERS else value[:_SHOWN_CHARACTERS] + "…")


def id_of(name: str) -> str:
    """The id within a resource name that was checked."""
    return name.partition("/")[2]


def check_name(name: str, collection: str, path: str, violations: Violations) -> None:
    """Check `{collection}/{id}`."""
    prefix = f"{collection}/"
    if not name:
        violations.add(path, f"is required: {prefix}{{id}}")
    elif not name.startswith(prefix) or not _KNOWN_ID.fullmatch(name.removeprefix(prefix)):
        violations.add(path, f"{shown(name)} is not a name of the form {prefix}{{id}}")


def check_model_name(name: str, path: str, violations: Violations) -> None:
    """Check `models/{id}`; the id of a model may hold slashes."""
    if not name:
        violations.add(path, "is required: models/{id}")
    elif not name.startswith("models/") or not 0 < len(name.removeprefix("models/")) <= 255:
        violations.add(path, f"{shown(name)} is not a name of the form models/{{id}}")


def check_chosen_id(value: str, path: str, violations: Violations) -> None:
    """Check the id that a client chooses for a new resource; empty leaves it to the service."""
    if value and not _CHOSEN_ID.fullmatch(value):
        violations.add(path, "must be 4 to 63 of a-z, 0-9 and hyphen, and must not begin with a hyphen")


def check_request_id(value: str, path: str, violations: Violations) -> None:
    """Check the id that makes a call safe to repeat."""
    if value and not _UUID.fullmatch(value):
        violations.add(path, "must be a UUID such as 0b7f5a43-6f0e-4c59-9d0a-7f1d5ed0a9d2")
