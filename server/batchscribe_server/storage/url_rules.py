"""Which URLs may be fetched: what the operator allows of schemes, hosts and addresses."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

_Address = IPv4Address | IPv6Address

_NUMBER = re.compile(r"[0-9a-fx.]+", re.IGNORECASE)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")

_SPECIAL = tuple(
    map(
        ipaddress.ip_network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
            *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
            *("2001::/23", "2001:db8::/32", "3fff::/20"),
        ),
    )
)
"""IANA's special-purpose blocks that are not globally reachable, and multicast; for IPv6 those within global unicast.

Listed here, since which of them Python knows depends on its version. The blocks for protocols (192.0.0.0/24, 2001::/23)
are whole: what is reachable in them is an anycast service of a network nearby. See the registries at
https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry.
"""


@dataclass(frozen=True, slots=True)
class UrlOptions:
    """What the operator allows: plain `http://`, addresses that are not public, and the hosts that may be named.

    Of addresses that are not public all are allowed, or those in `private_networks` (such as `10.1.0.0/16`). `hosts`
    are names, or `*.example.org` for all below one; any host where it is empty. What comes at less than
    `min_bytes_per_s` is given up, 0 for nothing.
    """

    http: bool = False
    private_addresses: bool = False
    private_networks: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    min_bytes_per_s: int = 0

    def allows(self, address: str) -> bool:
        """Whether a connection may be made to that address."""
        parsed = ipaddress.ip_address(address)
        networks = map(ipaddress.ip_network, self.private_networks)
        return self.private_addresses or is_public(address) or any(parsed in network for network in networks)


def refusal(options: UrlOptions, scheme: str, host: str) -> str:
    """Why a URL of that scheme and host may not be fetched, to be put after its name; empty for one that may.

    Where a host's name leads is not looked up here.
    """
    if scheme == "http" and not options.http:
        return "is not encrypted; use https://, or let the operator allow plain HTTP with storage.https.http"
    if options.hosts and not any(_matches(host, pattern) for pattern in options.hosts):
        return "is on a host that this server may not use; its operator allows one with storage.https.hosts"
    literal = _literal(host.lower().rstrip("."))
    return private_words(host) if literal is not None and not options.allows(literal) else ""


def private_words(host: str) -> str:
    """What is said of a host with an address that is not public, after the URL's name."""
    return (
        f"leads to {host}, whose address is not public; the operator allows such with "
        "storage.https.private_addresses or private_networks"
    )


def is_inside(host: str) -> bool:
    """Whether a host is an address that is not public, in any spelling. Where a name leads is not looked up here."""
    literal = _literal(host.lower().rstrip("."))
    return literal is not None and not is_public(literal)


def is_public(address: str) -> bool:
    """Whether an address, as text, is one of the public internet, also by the IPv4 address that it may hold."""
    parsed = ipaddress.ip_address(address)
    held = _held(parsed)
    if held is not None:
        return is_public(str(held))
    if any(parsed in block for block in _SPECIAL):
        return False
    return parsed.is_global and (parsed.version == 4 or parsed in _GLOBAL_UNICAST)


def _held(address: _Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for: mapped, or by 6to4 or NAT64."""
    if isinstance(address, IPv4Address):
        return None
    if address in _NAT64:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour


def _matches(host: str, pattern: str) -> bool:
    host, pattern = host.lower().rstrip("."), pattern.lower().rstrip(".")
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


def _literal(host: str) -> str | None:
    """The address that a host is, in any spelling that a resolver takes: `127.1` and `localhost` are 127.0.0.1."""
    if host == "localhost" or host.endswith(".localhost"):
        return "127.0.0.1"
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    if not _NUMBER.fullmatch(host):
        return None
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return None
