"""`batchscribe calibrate`: have a model's margin measured in a process of its own, and keep the result.

Beside the server, with its settings: the data directory is where the server looks margins up, also while it runs.
"""

from __future__ import annotations

import asyncio
import datetime
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from pydantic import ValidationError

from batchscribe_engine.calibration.figures import Measured, Outcome, Refused, WindowFigures
from batchscribe_engine.calibration.policy import chosen_margin_s
from batchscribe_server.domain.errors import JobFailure
from batchscribe_server.domain.model import Model
from batchscribe_server.models.calibration_file import FULL, Calibration
from batchscribe_server.models.catalog import ModelCatalog
from batchscribe_server.models.known_calibrations import Calibrations
from batchscribe_server.settings import Settings, SettingsError, load_settings, problems_of
from batchscribe_server.transcriber.child import describe_exit
from batchscribe_server.transcriber.surroundings import child_environment, python_argv

_DONE, _FAILED, _USAGE = 0, 1, 2


class CalibrateError(Exception):
    """There is no calibration, in words for the operator; `exit_status` is the command's."""

    def __init__(self, message: str, exit_status: int = _FAILED) -> None:
        super().__init__(message)
        self.exit_status = exit_status


def calibrate(
    model_name: str,
    speech_dir: Path,
    *,
    margins_s: Sequence[float],
    as_it_is: bool,
    beam_size: int,
    language: str,
    note: str,
    json: bool,
    options: Mapping[str, Any],
) -> int:
    """Measure, store and print; returns the exit status.

    No margins stand for the usual ones. `as_it_is` leaves out the variants of the speech, `note` says what it is, and
    `options` are those of the server's command line.
    """
    try:
        settings = _settings(options)
        model = _resolved(model_name, language, settings)
        measured = _measured(
            [
                *python_argv("batchscribe_engine.calibration"),
                *(model.path, str(speech_dir)),
                *(f"--margin={margin_s:g}" for margin_s in margins_s),
                *(["--as-it-is"] if as_it_is else []),
                *(f"--beam={beam_size}", f"--language={language}"),
                *(f"--device={settings.engine.device}", f"--compute-type={settings.engine.compute_type}"),
            ]
        )
        margin_s = chosen_margin_s(measured)
        calibration = Calibration(
            sha256=model.sha256,
            model=model.name,
            margin_s=FULL if margin_s is None else margin_s,
            date=datetime.datetime.now(datetime.UTC).date(),
            speech=note or speech_dir.resolve().name,
            measured=measured,
        )
        file = _stored(calibration, settings)
    except CalibrateError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    if json:
        print(msgspec.json.encode(calibration).decode())
    else:
        print(_told(calibration, file))
    return _DONE


def _settings(options: Mapping[str, Any]) -> Settings:
    try:
        return load_settings(options)
    except ValidationError as error:
        raise CalibrateError("; ".join(problems_of(error)), _USAGE) from error
    except SettingsError as error:
        raise CalibrateError(str(error), _USAGE) from error


def _resolved(name: str, language: str, settings: Settings) -> Model:
    # As the default model, a name may be a path: it is the operator who says it.
    catalog = ModelCatalog(name, settings.data_dir, hub_allowed=settings.hub, declared=settings.models)
    try:
        model = asyncio.run(catalog.resolve(""))
    except JobFailure as failure:
        raise CalibrateError(failure.message) from failure
    if language and language not in model.languages:
        raise CalibrateError(f"the model {model.name} does not know the language {language!r}", _USAGE)
    return model


def _measured(argv: Sequence[str]) -> Measured:
    # Its progress and its errors go where ours go. An interrupt at the terminal reaches both.
    child = subprocess.run(argv, env=child_environment(), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False)
    if child.returncode:
        raise CalibrateError(f"the calibration ended with {describe_exit(child.returncode)}")
    outcome: Outcome = msgspec.json.decode(child.stdout, type=Outcome)
    match outcome:
        case Measured():
            return outcome
        case Refused():
            bad_speech = outcome.reason in ("SPEECH_UNREADABLE", "SPEECH_TOO_LITTLE", "NO_WORDS")
            raise CalibrateError(f"{outcome.message} ({outcome.reason})", _USAGE if bad_speech else _FAILED)


def _stored(calibration: Calibration, settings: Settings) -> Path:
    try:
        return Calibrations(settings.data_dir / "calibrations").store(calibration)
    except OSError as error:
        problem = (error.strerror or str(error)).lower()
        raise CalibrateError(f"the result cannot be kept in {settings.data_dir}: {problem}") from error


def _told(calibration: Calibration, file: Path) -> str:
    measured = calibration.measured
    against = "the references" if measured.has_references else "the text of full windows"
    window = "full windows" if calibration.margin_s == FULL else f"a margin of {calibration.margin_s:g} s"
    return "\n".join(
        [
            f"{calibration.model}: {measured.segments} segments, {measured.speech_s:.0f} s of speech, heard "
            f"{', '.join(measured.variants)}: {measured.words} words, errors against {against}",
            "",
            "margin   doubted  wrong unchecked  wrong checked  changed   cost",
            *map(_row, (*measured.margins, measured.full)),
            "",
            f"{calibration.model} gets {window} from now on, by {file}",
        ]
    )


def _row(figures: WindowFigures) -> str:
    margin = FULL if figures.margin_s == FULL else f"{figures.margin_s:g} s"
    return (
        f"{margin:6} {figures.doubted:9.1%} {figures.raw_error:16.2%} {figures.checked_error:14.2%} "
        f"{figures.changed:8.2%} {figures.cost:6.3f}"
    )
