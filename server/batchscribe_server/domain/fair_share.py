"""How much of something scarce each of several users may take, when nobody can be made to give back what they have."""

from __future__ import annotations

TENANTS_FACTOR = 15
BATCHES_FACTOR = 0.5
"""A tenant alone may have fifteen in sixteen of the places where files are transferred, a batch alone a third of them.
"""


def may_take_more(held: int, free: int, factor: float = 1) -> bool:
    """Whether a user who holds so much may take more: as long as that is less than `factor` times what is left.

    So a user alone takes a half (with a factor f: f / (f + 1)), the next one a half of what that leaves, and some is
    left for whoever comes later. These are the dynamic thresholds of Choudhury and Hahne, "Dynamic queue length
    thresholds for shared-memory packet switches" (IEEE/ACM Transactions on Networking 6, 1998).
    """
    return held < factor * free
