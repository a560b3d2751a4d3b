"""Check what a recognition config asks of its model, of its text, and of what is installed."""

from __future__ import annotations

from batchscribe_server.domain.errors import Violations
from batchscribe_server.domain.model import Model
from batchscribe_server.domain.recognition import RecognitionConfig, Task
from batchscribe_server.operations.diarizer import HOW_TO_GET_IT, UNAVAILABLE, Diarizer
from batchscribe_server.operations.models import Models
from batchscribe_server.operations.text import TextEditing


class CheckConfig:
    """Holds configs, well formed in themselves, against the models there are, the languages that can be edited, and
    what is installed.
    """

    def __init__(self, models: Models, text: TextEditing, diarizer: Diarizer) -> None:
        self._models = models
        self._text = text
        self._diarizer = diarizer

    def __call__(self, config: RecognitionConfig, path: str, violations: Violations) -> None:
        """Note what can't be had of the config at that path. Raises ModelNotFoundError."""
        self._check_languages(config, self._models.get(config.model), path, violations)
        for field_path, description in self._text.problems(config):
            violations.add(f"{path}.{field_path}", description)
        for gap in self._text.gaps(config, config.language) if config.language else ():
            if gap.in_vain:
                violations.add(f"{path}.{gap.field}", f"can't be had in the language {config.language!r}")
        if config.tells_speakers and not self._diarizer.available:
            violations.add(f"{path}.diarization.mode", f"voices can't be told apart here: {HOW_TO_GET_IT}", UNAVAILABLE)

    def _check_languages(self, config: RecognitionConfig, model: Model, path: str, violations: Violations) -> None:
        asked = {
            "language": (config.language,),
            "default_language": (config.detection.default,),
            "candidate_languages": config.detection.candidates,
        }
        for field, codes in asked.items():
            if unknown := [code for code in codes if code and code not in model.languages]:
                names = ", ".join(map(repr, unknown))
                violations.add(f"{path}.{field}", f"the model {model.name} does not know the language {names}")
        if config.task is Task.TRANSLATE and not model.multilingual:
            violations.add(f"{path}.task", f"the model {model.name} knows English alone and can't translate")
