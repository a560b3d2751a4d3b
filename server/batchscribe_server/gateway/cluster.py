"""The replicas as Envoy's one cluster: how they are found, watched, left out and shared between."""

from __future__ import annotations

from collections.abc import Sequence

from batchscribe_server.gateway.options import Address
from batchscribe_server.gateway.typed import Config, typed

CLUSTER = "batchscribe"

KEEPALIVE: Config = {"interval": "30s", "timeout": "10s"}
"""A peer that hangs or a path that went dead is noticed after 40 s, also while nothing happens on a watch."""


def replicas_cluster(replicas: Sequence[Address]) -> Config:
    """The cluster of the replicas. A DNS name stands for all the addresses that it has, whenever that changes."""
    endpoints = [
        {"endpoint": {"address": {"socket_address": {"address": replica.host, "port_value": replica.port}}}}
        for replica in replicas
    ]
    return {
        "name": CLUSTER,
        **_discovery(replicas),
        "connect_timeout": "2s",
        "lb_policy": "LEAST_REQUEST",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": typed(
                "extensions.upstreams.http.v3.HttpProtocolOptions",
                explicit_http_config={"http2_protocol_options": {"connection_keepalive": KEEPALIVE}},
            )
        },
        "health_checks": [
            {
                "timeout": "1s",
                "interval": "2s",
                "no_traffic_interval": "2s",
                "unhealthy_threshold": 2,
                "healthy_threshold": 1,
                "grpc_health_check": {},
            }
        ],
        # What a replica answers about a request is no failure of the replica, but for UNAVAILABLE and
        # DEADLINE_EXCEEDED, which count as a gateway's 503 and 504: it drains, or is without its database.
        "outlier_detection": {
            "split_external_local_origin_errors": True,
            "consecutive_local_origin_failure": 5,
            "enforcing_consecutive_local_origin_failure": 100,
            "consecutive_gateway_failure": 5,
            "enforcing_consecutive_gateway_failure": 100,
            "enforcing_consecutive_5xx": 0,
            "enforcing_success_rate": 0,
            "enforcing_local_origin_success_rate": 0,
            "interval": "5s",
            "base_ejection_time": "15s",
            "max_ejection_percent": 50,
            # One that fails what it is asked and calls itself healthy stays out all the same.
            "successful_active_health_check_uneject_host": False,
        },
        # A watch is a request that lasts, so many are open at once; nothing here is to be the bottleneck.
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": 1024,
                    "max_requests": 20_000,
                    "max_pending_requests": 4096,
                    "retry_budget": {"budget_percent": {"value": 25}, "min_retry_concurrency": 64},
                }
            ]
        },
        # With no healthy replica left a request is refused at once, rather than sent to one that is not.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "load_assignment": {"cluster_name": CLUSTER, "endpoints": [{"lb_endpoints": endpoints}]},
    }


def _discovery(replicas: Sequence[Address]) -> Config:
    if all(replica.is_ip for replica in replicas):
        return {"type": "STATIC"}
    return {
        "type": "STRICT_DNS",
        "dns_lookup_family": "V4_PREFERRED",
        "dns_refresh_rate": "5s",
        "respect_dns_ttl": True,
    }
