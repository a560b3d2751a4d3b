"""`python -m batchscribe_engine.calibration`: started by the server's `calibrate`, which reads one outcome from it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from batchscribe_engine.calibration.figures import Outcome, Refused
from batchscribe_engine.calibration.speech_folder import SpeechFolderError, recordings_in
from batchscribe_engine.inference.__main__ import limit_threads
from batchscribe_engine.inference.memory import keep_few_kernels

if TYPE_CHECKING:
    from batchscribe_engine.calibration.measuring import Speech

MARGINS_S = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)


def main() -> int:
    """Measure, and write the outcome to standard output as JSON; progress goes to standard error."""
    try:
        outcome = _outcome(_parsed(sys.argv[1:]))
    except KeyboardInterrupt:  # typed at the terminal, for whoever started this as well
        return 130
    sys.stdout.buffer.write(msgspec.json.encode(outcome) + b"\n")
    return 0


def _outcome(arguments: argparse.Namespace) -> Outcome:
    limit_threads(1)
    keep_few_kernels()  # as the engine does: it is part of what an encoder window costs

    # Only now: the libraries read the environment as they are loaded.
    from batchscribe_engine.calibration.measuring import Speech, SpeechError
    from batchscribe_engine.inference.errors import InferenceError
    from batchscribe_engine.media.voice_activity import SileroModel

    try:
        return _measured(arguments, Speech(recordings_in(arguments.speech), SileroModel(), _say))
    except SpeechFolderError as error:
        return Refused("SPEECH_UNREADABLE", str(error))
    except (SpeechError, InferenceError) as error:
        return Refused(error.reason, str(error))


def _measured(arguments: argparse.Namespace, speech: Speech) -> Outcome:
    from batchscribe_engine.calibration.measuring import Calibration
    from batchscribe_engine.calibration.variants import VARIANTS
    from batchscribe_engine.inference.whisper import Device, DeviceUnavailableError, Whisper

    try:
        device = Device.choose(arguments.device, arguments.compute_type)
    except DeviceUnavailableError as error:
        return Refused("DEVICE_UNAVAILABLE", str(error))
    calibration = Calibration(
        Whisper.load(str(arguments.model), device, workers=1, threads=1),
        device,
        beam_size=arguments.beam,
        language=arguments.language,
        margins_s=arguments.margin or MARGINS_S,
        variants=["as it is"] if arguments.as_it_is else list(VARIANTS),
        say=_say,
    )
    return calibration.measure(speech)


def _parsed(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m batchscribe_engine.calibration", description=__doc__)
    parser.add_argument("model", type=Path, help="a CTranslate2 Whisper folder")
    parser.add_argument("speech", type=Path, help="a folder of recordings, best with references.tsv")
    parser.add_argument("--margin", type=float, action="append", help="in seconds; repeatable")
    parser.add_argument("--as-it-is", action="store_true", help="don't hear the speech under other conditions too")
    parser.add_argument("--beam", type=int, default=1)
    parser.add_argument("--language", default="", help="of the speech; detected for each segment if not given")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--compute-type", default="auto", help="auto, or one of CTranslate2's: int8, float16, ...")
    return parser.parse_args(argv)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
