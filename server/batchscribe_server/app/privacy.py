"""What this process and its children leave for others to read: nothing."""

from __future__ import annotations

import os
import resource


def keep_to_ourselves() -> int:
    """Make files for this user alone from now on, and leave no core dump; returns the umask as it was.

    A limit of 0 would not do: where the kernel pipes dumps to a program, 0 stands for no limit and 1 for no dump.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    most = 1 if hard == resource.RLIM_INFINITY else min(1, hard)
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))
    return os.umask(0o077)
