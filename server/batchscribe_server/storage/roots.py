"""The directories that the operator lets `file://` URIs reach."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from batchscribe_server.domain.errors import PathNotAllowedError
from batchscribe_server.storage.file_uri import MalformedFileUriError, path_of


class FileRoots:
    """Resolves URIs to real paths below one of the roots, whatever `..` and symbolic links lead to."""

    def __init__(self, roots: Iterable[str | Path]) -> None:
        self._roots = tuple(os.path.realpath(root) for root in roots)

    def resolve(self, uri: str) -> str:
        """The real path that a URI names, existing or not.

        Raises PathNotAllowedError for one outside the roots, with the same words whether or not it exists.
        """
        try:
            path = path_of(uri)
        except MalformedFileUriError as error:
            raise PathNotAllowedError(str(error), uri=uri) from None
        real_path = os.path.realpath(path)
        if not self.contains(real_path):
            raise PathNotAllowedError(
                f"{uri} is outside the folders that this server may use; its operator allows a folder with --file-root",
                uri=uri,
            )
        return real_path

    def contains(self, real_path: str) -> bool:
        """Whether a real path is a root or lies below one."""
        return any(real_path == root or real_path.startswith(root.rstrip("/") + "/") for root in self._roots)
