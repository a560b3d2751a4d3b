"""Check what a recognition config asks of its model, and of what is installed."""

from __future__ import annotations

from batchscribe_server.domain.errors import Violations
from batchscribe_server.domain.recognition import RecognitionConfig, Task
from batchscribe_server.operations.diarizer import HOW_TO_GET_IT, UNAVAILABLE, Diarizer
from batchscribe_server.operations.models import Models


def check_config(
    models: Models, diarizer: Diarizer, config: RecognitionConfig, path: str, violations: Violations
) -> None:
    """Note what can't be done of the config at that path. Raises ModelNotFoundError."""
    model = models.get(config.model)
    if config.language and config.language not in model.languages:
        violations.add(f"{path}.language", f"the model {model.name} does not know the language {config.language!r}")
    if config.detection.default and config.detection.default not in model.languages:
        unknown = f"the model {model.name} does not know the language {config.detection.default!r}"
        violations.add(f"{path}.default_language", unknown)
    if unknown_candidates := [code for code in config.detection.candidates if code not in model.languages]:
        unknown = f"the model {model.name} does not know {', '.join(unknown_candidates)}"
        violations.add(f"{path}.candidate_languages", unknown)
    if config.task is Task.TRANSLATE and not model.multilingual:
        violations.add(f"{path}.task", f"the model {model.name} knows English alone and can't translate")
    if config.tells_speakers and not diarizer.available:
        violations.add(f"{path}.diarization.mode", f"voices can't be told apart here: {HOW_TO_GET_IT}", UNAVAILABLE)
