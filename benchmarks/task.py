"""What a system is asked to do, as JSON.

Read by interpreters that have nothing but one system: it needs the standard library only.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Task:
    """Files to transcribe, in English, in int8 on the CPU.

    `model_folder` holds the model in CTranslate2 form. `warm_up` is transcribed first and not measured. `shared_folder`
    is there for what one round may leave to the next. `max_open` is how many files are open at a time where a system
    says so itself; 0 leaves it to the system.
    """

    model_folder: str
    beam: int
    word_times: bool
    cores: int
    warm_up: str
    paths: tuple[str, ...]
    shared_folder: str
    max_open: int = 0

    def to_json(self) -> str:
        """The task as one line."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Task:
        """The task that `to_json` wrote."""
        fields = json.loads(line)
        return cls(**{**fields, "paths": tuple(fields["paths"])})
