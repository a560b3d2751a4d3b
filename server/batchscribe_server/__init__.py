"""The control plane of batchscribe."""
