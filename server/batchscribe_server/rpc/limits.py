"""How long what a request holds may be, where that counts in several places."""

from __future__ import annotations

MAX_URI_CHARS = 4_096
MAX_SECRET_CHARS = 4_096
