"""What must be set before any test is imported."""

from __future__ import annotations

import os

# As the media workers have it: what they do is tested in this process too, and numpy reads this as it is loaded. Two
# threads for products as small as those of voice activity, on cores that are busy, are ten times as slow as one.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
