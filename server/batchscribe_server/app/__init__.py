"""The composition root: builds every concrete thing, runs them together, and takes them down in order."""

from batchscribe_server.app.serving import serve

__all__ = ["serve"]
