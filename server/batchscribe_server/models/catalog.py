"""The models that jobs can ask for, and having their files here and checked."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from batchscribe_server.domain.errors import JobFailure, ModelNotFoundError, Reason
from batchscribe_server.domain.model import Model, ModelSource
from batchscribe_server.models.digests import DigestMismatchError, Digests
from batchscribe_server.models.folder import WEIGHTS
from batchscribe_server.models.hub import Hub, HubError, cached_sha256
from batchscribe_server.models.known_calibrations import Calibrations
from batchscribe_server.models.lookup import ModelLookup, is_path, target_of
from batchscribe_server.models.packages import LocateFolder, installed_folder, join_parts
from batchscribe_server.models.whisper_sizes import SIZE_OF_REPOSITORY, WHISPER_SIZES


class ModelCatalog:
    """The default model, what the operator declared (`declared`: a name to a path, a known name or a Hugging Face id),
    Whisper's sizes, and Hugging Face ids.

    What requests may have fetched from the hub is in `hub_models`, at most `hub_max_bytes` each and without the
    operator's token; neither holds for what the operator chose.

    Only the operator names paths: a client's name is never taken for one, so that it can't feel its way about the
    disk. A default that is a path goes by its folder's name (`/models/whisper-de` is `whisper-de`). Joined models,
    digests and calibrations are kept in `cache_dir`. Belongs to one event loop.
    """

    def __init__(
        self,
        default_name: str,
        cache_dir: Path,
        *,
        hub_allowed: bool = True,
        hub_models: Collection[str] = (),
        hub_max_bytes: int = 16 << 30,
        declared: Mapping[str, str] | None = None,
        hub: Hub | None = None,
        locate_package: LocateFolder = installed_folder,
    ) -> None:
        self._declared = dict(declared or {})
        self._default_as_given = default_name
        if default_name in self._declared:
            self._default_name = default_name
        elif is_path(default_name):
            self._default_name = Path(default_name).expanduser().resolve().name
            self._declared[self._default_name] = default_name
        else:
            self._default_name = target_of(default_name)
        self._hub = hub or Hub()
        self._lookup = ModelLookup(
            self._declared,
            cache_dir / "models",
            self._hub,
            hub_allowed=hub_allowed,
            default=self._default_name,
            hub_models=hub_models,
            locate_package=locate_package,
        )
        self._hub_max_bytes = hub_max_bytes
        self._digests = Digests(cache_dir / "models" / "digests.json")
        self._calibrations = Calibrations(cache_dir / "calibrations")
        self._resolving: dict[str, asyncio.Task[Model]] = {}

    def list(self) -> Sequence[Model]:
        """All models that can be asked for, the default first, and those on this machine before those of the hub."""
        names = [self._default_name, *self._declared, *WHISPER_SIZES]
        names += [name for name in self._hub.cached_repositories() if name not in SIZE_OF_REPOSITORY]
        models = []
        for name in dict.fromkeys(names):
            try:
                models.append(self.get(name))
            except ModelNotFoundError:
                continue
        sources = list(ModelSource)
        return sorted(models, key=lambda model: (not model.default, sources.index(model.source)))

    def get(self, name: str) -> Model:
        """The model of that name, the default for the empty one. Raises ModelNotFoundError.

        One that comes in parts has no path before it was resolved for the first time, nor has one of the hub.
        """
        known_as = self._known_as(name)
        found = self._lookup.find(known_as)
        return dataclasses.replace(
            found,
            default=known_as == self._default_name,
            window_margin_s=self._calibrations.margin_s(found.sha256),
        )

    async def resolve(self, name: str) -> Model:
        """The model with its files here and its digest checked. Raises JobFailure MODEL_UNAVAILABLE."""
        known_as = self._known_as(name)
        task = self._resolving.get(known_as)
        if task is None:
            task = asyncio.create_task(asyncio.to_thread(self._prepare, known_as), name=f"resolve model {known_as}")
            self._resolving[known_as] = task
            task.add_done_callback(functools.partial(self._resolved, known_as))
        # One who stops waiting does not stop it for the others.
        return await asyncio.shield(task)

    def _resolved(self, known_as: str, task: asyncio.Task[Model]) -> None:
        del self._resolving[known_as]
        if not task.cancelled():
            task.exception()  # looked at here in case nobody waits for it any more

    def _known_as(self, name: str) -> str:
        """The one name of a model that can be asked for by several."""
        if name in ("", self._default_as_given):
            return self._default_name
        return name if name in self._declared else target_of(name)

    def _prepare(self, name: str) -> Model:
        try:
            return self._checked(self._at_hand(self.get(name)))
        except ModelNotFoundError as error:
            problem = error.message
        except DigestMismatchError as error:
            problem = f"the model {name!r} is refused: {error}; remove its files and install or download it again"
        except HubError as error:
            problem = (
                f"the model {name!r} is not on this server and could not be downloaded: {error}; install "
                "`batchscribe[models]` for base and tiny.en, or start the server with --model and a folder's path"
            )
        except OSError as error:
            problem = f"the files of the model {name!r} cannot be used: {(error.strerror or str(error)).lower()}"
        raise JobFailure(Reason.MODEL_UNAVAILABLE, problem)

    def _at_hand(self, model: Model) -> Model:
        """The model with a path: joined or downloaded if need be."""
        if model.source is ModelSource.HUB:
            operators = self._lookup.is_operators(model.name)
            self._hub.fetch(
                self._lookup.repository(model.name),
                with_token=operators,
                max_bytes=None if operators else self._hub_max_bytes,
            )
            model = self.get(model.name)
            if not model.path:
                raise HubError("what was downloaded is not a Whisper model in CTranslate2 form")
        folders = self._lookup.packaged_folders(model.name) if model.source is ModelSource.PACKAGE else ()
        if len(folders) > 1:
            join_parts(folders, self._lookup.joined_folder(model.name), model.sha256, self._digests)
            model = self.get(model.name)
        return model

    def _checked(self, model: Model) -> Model:
        """The model with the digest that its weights have, and with the margin that was measured for those weights."""
        weights = Path(model.path) / WEIGHTS
        expected = cached_sha256(weights) if model.source is ModelSource.HUB_CACHE else model.sha256
        found = self._digests.sha256_of(weights)
        if expected and found != expected:
            raise DigestMismatchError(found, expected)
        return dataclasses.replace(model, sha256=found, window_margin_s=self._calibrations.margin_s(found))
