"""What is logged, and what libraries may not tell."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import logging
import structlog
from batchscribe_server.logs import configure_logging

configure_logging("debug", "json")
logging.getLogger("httpx").info("HTTP Request: GET https://h/a.wav?X-Signature=s3cr3t")
logging.getLogger("azure.core").debug("https://h/a.wav?sig=s3cr3t")
logging.getLogger("httpx").warning("something")
structlog.get_logger().debug("own_event")
"""


def test_a_log_that_cannot_be_written_is_no_error() -> None:
    program = PROGRAM + "print('went on')"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=full, text=True, check=True
        )
    assert done.stdout == "went on\n"


def test_libraries_are_heard_from_warnings_on_whatever_the_level() -> None:
    """In a process of its own, as logging is configured for a whole process."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert "s3cr3t" not in done.stderr
    assert "something" in done.stderr
    assert "own_event" in done.stderr
