"""Models as messages."""

from __future__ import annotations

from batchscribe.v1 import model_service_pb2 as pb
from batchscribe_server.domain.model import Model, ModelSource
from batchscribe_server.operations.transcriber import TranscriberStatus

_SOURCE_MESSAGES = {
    ModelSource.PATH: pb.MODEL_SOURCE_PATH,
    ModelSource.PACKAGE: pb.MODEL_SOURCE_PACKAGE,
    ModelSource.HUB_CACHE: pb.MODEL_SOURCE_HUB_CACHE,
    ModelSource.HUB: pb.MODEL_SOURCE_HUB,
    ModelSource.REPLICA: pb.MODEL_SOURCE_REPLICA,
}


def model_message(model: Model, engine: TranscriberStatus) -> pb.Model:
    """A model, and what the engine makes of it."""
    here = model.source is not ModelSource.REPLICA
    return pb.Model(
        name=f"models/{model.name}",
        languages=model.languages,
        size_bytes=model.size_bytes,
        source=_SOURCE_MESSAGES[model.source],
        installed=bool(model.path),
        loaded=model.name in engine.loaded_models,
        default=model.default,
        device=engine.device if here else "",
        compute_type=engine.compute_type if here else "",
        translates=model.multilingual,
    )
