"""The command line of batchscribe."""

from batchscribe.cli.main import app, main

__all__ = ["app", "main"]
