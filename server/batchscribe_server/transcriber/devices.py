"""Which devices get an inference process: what the operator wrote, completed with what the machine has."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

import msgspec
import structlog

from batchscribe_server.transcriber.surroundings import FOLDER, child_environment, python_argv

log = structlog.get_logger()

DEVICE = re.compile(r"cpu|cuda(:\d+)?")
LISTING_ARGV = (*python_argv("batchscribe_engine.inference"), "--list-devices")
LISTING_TIMEOUT_S = 60.0

SLOTS_ON_CPU = 128
SLOTS_PER_GPU = 512
"""Five batches of up to 64 segments are in a GPU's engine, and others must be able to wait for it meanwhile."""


class DeviceListingError(Exception):
    """It could not be found out which devices there are; the message says why."""


class DeviceMissingError(Exception):
    """A device or a compute type that was asked for is not there; the message says which are."""


class Listing(msgspec.Struct, frozen=True):
    """What there is: GPUs, and by kind of device ("cpu", "cuda") the compute types that it has, where that is known."""

    cuda: int
    compute_types: dict[str, tuple[str, ...]] = {}


def parsed_devices(setting: str) -> tuple[str, ...]:
    """The devices that a setting such as "auto", "cuda" or "cuda:0,cuda:1" names. Raises ValueError for any other."""
    devices = tuple(device.strip() for device in setting.split(","))
    if devices == ("auto",):
        return devices
    for device in devices:
        if not DEVICE.fullmatch(device):
            raise ValueError(f'"{device}" is no device: use "auto", or a list of "cpu", "cuda" and "cuda:0" and so on')
    gpus = [device for device in devices if device != "cpu"]
    if len(set(gpus)) < len(gpus) or ("cuda" in gpus and len(gpus) > 1):
        raise ValueError(f'"{setting}" names a GPU twice')
    return devices


async def resolved_devices(
    devices: Sequence[str], compute_type: str = "auto", listing_argv: Sequence[str] = LISTING_ARGV
) -> tuple[str, ...]:
    """The same with "auto" and "cuda" replaced by what there is: all GPUs, or for "auto" without any the CPU.

    A child is asked only if need be. Where it fails, the names are left as they are: the engine itself will choose, or
    say in plain words what is missing. Raises DeviceMissingError.
    """
    if set(devices) == {"cpu"} and compute_type == "auto":
        return tuple(devices)
    try:
        listing = await listed_devices(listing_argv)
    except DeviceListingError as error:
        log.warning("devices_not_listed", reason=str(error))
        return tuple(devices)
    gpus = [f"cuda:{index}" for index in range(listing.cuda)]
    found = {"auto": gpus or ["cpu"], "cuda": gpus or ["cuda"]}
    names = tuple(name for device in devices for name in found.get(device, [device]))
    if missing := [name for name in names if name not in ("cpu", *gpus)]:
        raise DeviceMissingError(
            f"engine.device asks for {', '.join(missing)}, and this machine has {', '.join(['cpu', *gpus])}"
        )
    for kind in sorted({name.partition(":")[0] for name in names}):
        types = listing.compute_types.get(kind, (compute_type,))
        if compute_type != "auto" and compute_type not in types:
            raise DeviceMissingError(
                f"engine.compute_type is {compute_type!r}, and {kind} has {', '.join(sorted(types))}"
            )
    return names


async def listed_devices(argv: Sequence[str]) -> Listing:
    """What a short-lived child finds. Raises DeviceListingError."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        cwd=FOLDER,
        env=child_environment(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(LISTING_TIMEOUT_S):
            output, errors = await process.communicate()
    except TimeoutError as error:
        raise DeviceListingError(f"the child that lists them took more than {LISTING_TIMEOUT_S:g} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        last_line = errors.decode(errors="replace").strip().rpartition("\n")[2]
        raise DeviceListingError(f"the child that lists them ended with {process.returncode}: {last_line}")
    try:
        return msgspec.json.decode(output, type=Listing)
    except msgspec.DecodeError as error:
        raise DeviceListingError(f"the child that lists them said {output[:200]!r}") from error


def default_slots(devices: Sequence[str]) -> int:
    """How many slots keep these devices supplied."""
    return max(SLOTS_ON_CPU, SLOTS_PER_GPU * sum(device.startswith("cuda") for device in devices))


def default_running_files(devices: Sequence[str]) -> int:
    """How many files open at once fill the batches of these devices, even if each is a single segment long.

    One in eight of these places is kept for newcomers (see `operations.dispatch`).
    """
    return 3 * default_slots(devices) // 4
