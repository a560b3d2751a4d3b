"""Which files below a prefix are meant: include and exclude globs, and what is left out without any.

Globs match the whole relative path: `*` stays within one folder, `**` crosses them, `{wav,mp3}` means either. Names
that begin with a dot are matched by include globs only where the glob itself has the dot, as in a shell.
"""

from __future__ import annotations

from collections.abc import Sequence

from batchscribe_server.domain.errors import JobFailure, Reason
from batchscribe_server.domain.globs import GlobError, Pattern, compiled

# Formats of audio are many and grow; what is surely none, and what this service writes itself, is left out instead.
_NOT_AUDIO = frozenset(
    {
        *("ass", "ctm", "eaf", "json", "jsonl", "lab", "notice", "rttm", "srt", "ssa", "stm", "textgrid", "vtt"),
        *("csv", "doc", "docx", "htm", "html", "md", "odt", "pdf", "ppt", "pptx", "rst", "rtf", "tex", "tsv", "txt"),
        *("xls", "xlsx", "bmp", "gif", "heic", "ico", "jpeg", "jpg", "png", "svg", "tif", "tiff", "webp"),
        *("cfg", "conf", "ini", "toml", "xml", "yaml", "yml", "bak", "lock", "log", "part", "swp", "tmp", "url"),
        *("7z", "bz2", "gz", "rar", "tar", "tgz", "xz", "zip", "zst", "md5", "sha1", "sha256"),
        *("bat", "bin", "c", "cpp", "css", "dll", "exe", "go", "h", "ipynb", "java", "js", "parquet", "pickle", "pkl"),
        *("ps1", "py", "pyc", "rs", "sh", "so", "sqlite", "sqlite3"),
    }
)


class Selection:
    """Decides on relative paths. Raises JobFailure SCAN_FAILED for globs that stand for too much.

    Make one, and ask it about many paths, in a thread: globs may be as complex as requests may have them.
    """

    def __init__(self, include_globs: Sequence[str], exclude_globs: Sequence[str]) -> None:
        self._include = _compiled(include_globs, hidden=False)
        self._exclude = _compiled(exclude_globs, hidden=True)
        whole_folders = [pattern.removesuffix("/**") for pattern in exclude_globs if pattern.endswith("/**")]
        self._prune = _compiled(whole_folders, hidden=True)
        self._seeks_hidden = any(f"/{pattern}".find("/.") >= 0 or "{." in pattern for pattern in include_globs)

    def takes(self, relative_path: str) -> bool:
        """Whether the file of that path is meant."""
        if not self.takes_named(relative_path):
            return False
        name = relative_path.rpartition("/")[2]
        return bool(self._include) or (not name.startswith(".") and name.rpartition(".")[2].lower() not in _NOT_AUDIO)

    def takes_named(self, relative_path: str) -> bool:
        """Whether a file is meant that was named itself, whatever its name says that it is: only globs leave it out."""
        if self._exclude and self._exclude.fullmatch(relative_path):
            return False
        return not self._include or self._include.fullmatch(relative_path) is not None

    def enters(self, relative_folder: str) -> bool:
        """Whether anything below the folder can be meant."""
        if relative_folder.rpartition("/")[2].startswith(".") and not self._seeks_hidden:
            return False
        return not (self._prune and self._prune.fullmatch(relative_folder))


def _compiled(globs: Sequence[str], *, hidden: bool) -> Pattern | None:
    try:
        return compiled(globs, hidden=hidden) if globs else None
    except GlobError as error:
        raise JobFailure(Reason.SCAN_FAILED, f"the globs {error}") from None
