"""The `.notice` file of an input that failed, or whose analysis did."""

from __future__ import annotations

import json
from datetime import datetime

from batchscribe_server.domain.job import Failure
from batchscribe_server.domain.url import shown_url


def render_notice(failure: Failure, input_uri: str, job_name: str, time: datetime) -> bytes:
    """JSON in UTF-8: the stable reason, the message in plain words, and of what it tells. Holds no URL's query."""
    notice = {
        "error": {"reason": failure.reason.value, "message": failure.message},
        "input": shown_url(input_uri),
        "job": job_name,
        "time": time.isoformat(),
    }
    return json.dumps(notice, ensure_ascii=False, indent=2).encode() + b"\n"
