"""Envoy's way of saying which message a piece of its configuration is."""

from __future__ import annotations

from typing import Any

Config = dict[str, Any]
"""A message of Envoy's API, as JSON."""


def typed(message: str, /, **fields: Any) -> Config:
    """A message of Envoy's API that stands where any may stand, by its name below `envoy.`."""
    return {"@type": f"type.googleapis.com/envoy.{message}", **fields}


def extension(name: str, message: str, /, **fields: Any) -> Config:
    """An extension, by its name below `envoy.`, and its configuration."""
    return {"name": f"envoy.{name}", "typed_config": typed(message, **fields)}
