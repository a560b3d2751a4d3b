"""Write deploy/envoy from the gateway's code, or with --check see that it is current.

The files are for an Envoy of one's own: the configuration that `batchscribe gateway` runs, in variants, and the
descriptor set that the JSON transcoder reads.
"""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from batchscribe_server.gateway.bootstrap import bootstrap
from batchscribe_server.gateway.contract import descriptor_set
from batchscribe_server.gateway.options import Address, GatewayOptions, Tls

FOLDER = Path(__file__).parents[1] / "deploy" / "envoy"
DESCRIPTORS = Path("/etc/envoy/batchscribe.binpb")

_REPLICAS = (Address("batchscribe", 50051),)
_ADMIN = Address("127.0.0.1", 9901)
_SECRETS = Path("/etc/envoy/tls")
_CERTIFICATE, _KEY, _CLIENT_CA = _SECRETS / "tls.crt", _SECRETS / "tls.key", _SECRETS / "client-ca.crt"

VARIANTS = {
    "envoy": (
        "Plain text on port 8080, for a network that is private, or behind a balancer that ends TLS.",
        GatewayOptions(Address("0.0.0.0", 8080), _REPLICAS, _ADMIN),  # noqa: S104 - for a container
    ),
    "envoy-tls": (
        "TLS on port 8443, 50 requests a second from one address, and pages of one web origin may call.",
        GatewayOptions(
            Address("0.0.0.0", 8443),  # noqa: S104 - for a container
            _REPLICAS,
            _ADMIN,
            tls=Tls(_CERTIFICATE, _KEY),
            rate_limit=50,
            cors_origins=("https://console.example.org",),
        ),
    ),
    "envoy-mtls": (
        "TLS on port 8443, and every client shows a certificate of one's own authority.",
        GatewayOptions(
            Address("0.0.0.0", 8443),  # noqa: S104 - for a container
            _REPLICAS,
            _ADMIN,
            tls=Tls(_CERTIFICATE, _KEY, _CLIENT_CA),
        ),
    ),
}

_HEADER = """\
# {what}
# Made by scripts/envoy_files.py from server/batchscribe_server/gateway: change it there, then `make proto`.
# The replicas are all addresses of the name `batchscribe`. See docs/operations.md, "Behind Envoy".
"""


def files() -> dict[str, bytes]:
    """What belongs into the folder, by name."""
    made = {"batchscribe.binpb": descriptor_set()}
    for name, (what, options) in VARIANTS.items():
        text = yaml.safe_dump(bootstrap(options, DESCRIPTORS), sort_keys=False, width=120)
        made[f"{name}.yaml"] = (_HEADER.format(what=what) + text).encode()
    return made


def main() -> int:
    """Write, or with --check compare; 1 where something is not current."""
    made = files()
    if sys.argv[1:] == ["--check"]:
        there = {path.name: path.read_bytes() for path in FOLDER.iterdir() if path.suffix in (".yaml", ".binpb")}
        if there != made:
            print("deploy/envoy is not current: run 'make proto' and commit what it writes", file=sys.stderr)
            return 1
        return 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, content in made.items():
        (FOLDER / name).write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
