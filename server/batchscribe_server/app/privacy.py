"""What this process and its children leave for others to read: nothing."""

from __future__ import annotations

import os

from batchscribe_engine.media.limits import leave_no_core_dump


def keep_to_ourselves() -> int:
    """Make files for this user alone from now on, and leave no core dump; returns the umask as it was."""
    leave_no_core_dump()
    return os.umask(0o077)
