"""What an operator says of the gateway, and what of it can't be."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

MAX_PORT = 65_535
MAX_RATE_LIMIT = 1_000_000
MAX_DRAIN_S = 86_400
ANY_ORIGIN = "*"
DEFAULT_LISTEN = "127.0.0.1:8080"
DEFAULT_ADMIN = "127.0.0.1:0"

_ORIGIN = re.compile(r"https?://([A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")


class OptionError(ValueError):
    """An option of the gateway can't be used, in words for its operator."""


@dataclass(frozen=True, slots=True)
class Address:
    """A host, by its address or its name, and a port."""

    host: str
    port: int

    @classmethod
    def parsed(cls, text: str, option: str) -> Self:
        """`HOST:PORT`, an IPv6 address in brackets. Raises OptionError, naming the option."""
        host, _, port = text.rpartition(":")
        bare = host.removeprefix("[").removesuffix("]")
        is_port = port.isascii() and port.isdigit() and int(port) <= MAX_PORT
        if not is_port or not (_is_ip(bare) or _HOST_NAME.fullmatch(host)):
            raise OptionError(f"{option}: {text!r} is not HOST:PORT")
        return cls(bare, int(port))

    @property
    def is_ip(self) -> bool:
        """The host is an address and needs no DNS."""
        return _is_ip(self.host)

    @property
    def is_loopback(self) -> bool:
        """Only this machine reaches it."""
        return self.is_ip and ipaddress.ip_address(self.host).is_loopback

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Tls:
    """The gateway's certificate chain and key, PEM, and the authorities whose certificates clients must show.

    Without `client_ca` clients show none.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """A gateway. `rate_limit` is of requests a second from one address; 0 for no limit. `hosts` are the names that
    clients call it by: on loopback those of loopback are known.

    Told to stop, it is unhealthy but takes calls for `drain_delay_s` more; then it lets those that are open go on for
    `drain_timeout_s`.
    """

    listen: Address
    replicas: tuple[Address, ...]
    admin: Address = field(default_factory=lambda: Address("127.0.0.1", 0))
    tls: Tls | None = None
    rate_limit: int = 0
    cors_origins: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    drain_delay_s: int = 5
    drain_timeout_s: float = 30.0

    def __post_init__(self) -> None:
        """Raises OptionError."""
        if not self.listen.is_ip:
            raise OptionError(f"--listen: {self.listen.host!r} is not an address of this machine; 0.0.0.0 for all")
        if not self.replicas:
            raise OptionError("--replica: at least one is needed")
        if any(not replica.port for replica in self.replicas):
            raise OptionError("--replica: port 0 is none")
        if not self.admin.is_loopback:
            raise OptionError("--admin-listen: only a loopback address will do: who reaches it can stop the gateway")
        for origin in self.cors_origins:
            _check_origin(origin)
        for host in self.hosts:
            if not (_HOST_NAME.fullmatch(host) or (host[:1] == "[" and _is_ip(host[1:-1]) and host[-1] == "]")):
                raise OptionError(f"--host: {host!r} is not a name like scribe.example.org; leave out its port")
        if not 0 <= self.rate_limit <= MAX_RATE_LIMIT:
            raise OptionError(f"--rate-limit: {self.rate_limit} is not from 1 to {MAX_RATE_LIMIT}")
        for option, seconds in (("--drain-delay", self.drain_delay_s), ("--drain-timeout", self.drain_timeout_s)):
            if not 0 <= seconds <= MAX_DRAIN_S:
                raise OptionError(f"{option}: {seconds:g} is not from 0 to {MAX_DRAIN_S} seconds")


def parsed_options(given: Mapping[str, Any]) -> GatewayOptions:
    """Options as a command line gives them: addresses as HOST:PORT, files by their paths.

    Raises OptionError.
    """
    tls_cert, tls_key, client_ca = (given.get(name) for name in ("tls_cert", "tls_key", "client_ca"))
    if bool(tls_cert) != bool(tls_key):
        raise OptionError("--tls-cert and --tls-key go together")
    if client_ca and not tls_cert:
        raise OptionError("--client-ca is for TLS: it wants --tls-cert and --tls-key")
    plain = {name: given[name] for name in ("rate_limit", "drain_delay_s", "drain_timeout_s") if name in given}
    return GatewayOptions(
        listen=Address.parsed(given.get("listen", DEFAULT_LISTEN), "--listen"),
        replicas=tuple(Address.parsed(replica, "--replica") for replica in given.get("replica", ())),
        admin=Address.parsed(given.get("admin_listen", DEFAULT_ADMIN), "--admin-listen"),
        tls=Tls(tls_cert, tls_key, client_ca) if tls_cert and tls_key else None,
        cors_origins=tuple(given.get("cors_origin", ())),
        hosts=tuple(given.get("host", ())),
        **plain,
    )


def _check_origin(origin: str) -> None:
    if origin != ANY_ORIGIN and not _ORIGIN.fullmatch(origin):
        raise OptionError(f"--cors-origin: {origin!r} is not an origin like https://console.example.org, nor *")


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
