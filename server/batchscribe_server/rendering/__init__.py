"""The formats in which transcripts, notices and reports are written. This package is a `Renderer`."""

from batchscribe_server.rendering.notice import render_notice
from batchscribe_server.rendering.report import render_report_line
from batchscribe_server.rendering.transcripts import render

__all__ = ["render", "render_notice", "render_report_line"]
