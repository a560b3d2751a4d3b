"""The gateway: Envoy in front of the replicas, configured from the contract, started and drained.

It stands alone: it needs Envoy's wheel (`batchscribe[gateway]`) and of the server its log alone.
"""

from batchscribe_server.gateway.serving import serve

__all__ = ["serve"]
