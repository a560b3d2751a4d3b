"""The whole configuration of Envoy, from the gateway's options."""

from __future__ import annotations

from pathlib import Path

from batchscribe_server.gateway.cluster import replicas_cluster
from batchscribe_server.gateway.listener import edge_listener
from batchscribe_server.gateway.options import GatewayOptions
from batchscribe_server.gateway.typed import Config, extension

_MAX_CONNECTIONS = 5000


def bootstrap(options: GatewayOptions, descriptor_file: Path) -> Config:
    """Envoy's bootstrap. It reads the contract's descriptor set, `contract.descriptor_set`, from that file."""
    admin = {"address": options.admin.host, "port_value": options.admin.port}
    return {
        "node": {"id": "batchscribe-gateway", "cluster": "batchscribe"},
        "admin": {"address": {"socket_address": admin}},
        "overload_manager": {
            "refresh_interval": "0.25s",
            "resource_monitors": [
                extension(
                    "resource_monitors.global_downstream_max_connections",
                    "extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                    max_active_downstream_connections=_MAX_CONNECTIONS,
                )
            ],
        },
        "static_resources": {
            "listeners": [edge_listener(options, {"proto_descriptor": str(descriptor_file)})],
            "clusters": [replicas_cluster(options.replicas)],
        },
    }
