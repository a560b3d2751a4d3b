"""File descriptors: connections, files and children take them from one allowance."""

from __future__ import annotations

import resource

WANTED = 65_536


def raised_descriptor_limit() -> int:
    """Raise how many this process may have as far as it may, up to `WANTED`; returns how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED if hard == resource.RLIM_INFINITY else min(hard, WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return wanted if soft == resource.RLIM_INFINITY else soft
