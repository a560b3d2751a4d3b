"""The formats in which transcripts and notices are written. This package is a `Renderer`."""

from batchscribe_server.rendering.notice import render_notice
from batchscribe_server.rendering.transcripts import render

__all__ = ["render", "render_notice"]
