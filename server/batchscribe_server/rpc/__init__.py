"""The gRPC adapter: it validates requests, calls the operations, and turns what they say into messages and statuses."""
