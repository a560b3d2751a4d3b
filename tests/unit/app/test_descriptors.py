"""The descriptors of a server."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import resource
from batchscribe_server.app.descriptors import raised_descriptor_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (200, {hard}))
print(raised_descriptor_limit(), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def test_the_soft_limit_is_raised_as_far_as_it_may_be() -> None:
    for hard in (200, 500, 1000):
        output = subprocess.check_output([sys.executable, "-c", PROGRAM.format(hard=hard)], text=True)
        assert output.split() == [str(hard)] * 2
