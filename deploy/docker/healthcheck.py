"""Exit 0 where the server of this container is SERVING, else 1: a container's HEALTHCHECK.

An argument names a service to ask for; without one it is the server as a whole, which is SERVING while it takes work.
The address is $BATCHSCRIBE_ADDRESS, else 127.0.0.1:50051.
"""

from __future__ import annotations

import os
import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

TIMEOUT_S = 3.0


def main(service: str = "") -> int:
    """Ask once. Returns the exit status."""
    address = os.environ.get("BATCHSCRIBE_ADDRESS", "127.0.0.1:50051")
    with grpc.insecure_channel(address) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(service=service), timeout=TIMEOUT_S
            )
        except grpc.RpcError as error:
            print(f"{address} does not answer: {error.code().name}", file=sys.stderr)
            return 1
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        print(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
