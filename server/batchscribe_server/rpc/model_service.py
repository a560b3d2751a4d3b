"""ModelService: what there is to transcribe with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc

from batchscribe.v1 import model_service_pb2 as pb
from batchscribe.v1 import model_service_pb2_grpc
from batchscribe_server.domain.errors import Violations
from batchscribe_server.domain.model import Model
from batchscribe_server.rpc.convert_model import model_message
from batchscribe_server.rpc.services import Services
from batchscribe_server.rpc.validate_requests import MAX_PAGE_SIZE, check_get_model, check_list_models

Context = grpc.aio.ServicerContext[Any, Any]


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """The models as they are now, and what the engine has loaded of them."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:  # noqa: N802
        """List all models."""
        check_list_models(request)
        models = self._services.models.list()
        start = _start_of_page(models, request.page_token)
        end = start + min(request.page_size or MAX_PAGE_SIZE, MAX_PAGE_SIZE)
        engine = self._services.transcriber.status()
        translation = ["translation"] if any(model.multilingual for model in models) else []
        diarization = ["diarization"] if self._services.diarizer.available else []
        return pb.ListModelsResponse(
            models=[model_message(model, engine) for model in models[start:end]],
            next_page_token=models[end - 1].name if end < len(models) else "",
            features=[
                "word_time_offsets",
                "word_confidence",
                "entities",
                "speech_analytics",
                "summary",
                *translation,
                *diarization,
            ],
        )

    async def GetModel(self, request: pb.GetModelRequest, context: Context) -> pb.Model:  # noqa: N802
        """Read one model."""
        name = check_get_model(request)
        return model_message(self._services.models.get(name), self._services.transcriber.status())


def _start_of_page(models: Sequence[Model], token: str) -> int:
    """A token is the name of the last model of the page before."""
    if not token:
        return 0
    for index, model in enumerate(models):
        if model.name == token:
            return index + 1
    violations = Violations()
    violations.add("page_token", "is not one that this service gave, or its model is gone; list from the start")
    violations.raise_if_any()
    return 0
