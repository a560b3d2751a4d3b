"""The manifests port over files on this machine."""

from __future__ import annotations

from contextlib import AbstractContextManager

from batchscribe_server.storage.manifest_file import ManifestFile, open_manifest
from batchscribe_server.storage.names_seen import NamesSeenOnDisk, names_seen


class LocalManifests:
    """Opens manifests that were fetched."""

    def open(self, descriptor: int, name: str) -> ManifestFile:
        """The manifest in a local file that is open."""
        return open_manifest(descriptor, name)

    def names_seen(self) -> AbstractContextManager[NamesSeenOnDisk]:
        """A memory for names, which is empty as yet."""
        return names_seen()
