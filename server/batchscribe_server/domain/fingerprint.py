"""What tells one version of a file from another: its size, and a mark of its store (an ETag, a time)."""

from __future__ import annotations


def fingerprint(size_bytes: int, mark: str) -> str:
    """As text. ETags lose their quotation marks, which some stores leave out in listings."""
    bare = mark.strip('"')
    return f"{size_bytes}-{bare}"


def change_since(listed: str, fetched: str) -> str:
    """How a file changed since it was listed, in plain words; empty where it did not, or was not listed.

    Where one of the two has no mark their sizes are compared.
    """
    if not listed or not fetched:
        return ""
    (size_then, mark_then), (size_now, mark_now) = _parts(listed), _parts(fetched)
    if size_then != size_now:
        return f"The file changed after it was listed: {size_then:,} bytes then, {size_now:,} now."
    if mark_then and mark_now and mark_then != mark_now:
        return f"The file changed after it was listed: it has {size_now:,} bytes still, but was written anew."
    return ""


def _parts(text: str) -> tuple[int, str]:
    size, _, mark = text.partition("-")
    return int(size), mark
