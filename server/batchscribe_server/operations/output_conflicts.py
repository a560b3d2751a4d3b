"""No two files of a batch write to one place, and no output takes the place of an input."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from batchscribe_server.domain.errors import JobFailure, Reason
from batchscribe_server.domain.job import Job
from batchscribe_server.domain.layout import is_output_name, notice_uri, output_uris
from batchscribe_server.domain.media import is_upload
from batchscribe_server.domain.recognition import OutputConfig
from batchscribe_server.operations.access import Reached
from batchscribe_server.operations.run_store import Claim, RunStore
from batchscribe_server.operations.storage import Storage

_KEY_BYTES = 16


async def output_place(output: OutputConfig, input_uri: str, relative_path: str, storage: Storage) -> str:
    """One name for the place of a file's outputs: two files that have the same would overwrite each other's."""
    return await storage.identity(notice_uri(output, input_uri, relative_path))


async def output_key(job: Job, storage: Storage) -> str:
    """The digest of the place of a job's outputs; empty where it has none."""
    if job.output.kept_by_service:
        return ""
    place = await output_place(job.output, job.input_uri, job.relative_path, storage)
    return hashlib.blake2b(place.encode(errors="surrogatepass"), digest_size=_KEY_BYTES).hexdigest()


async def own_conflict(output: OutputConfig, input_uri: str, relative_path: str, reached: Reached) -> str:
    """The output of a file that is the file itself, whatever links lead there; empty where there is none."""
    return await _among(input_uri, await _identities(output_uris(output, input_uri, relative_path), reached), reached)


async def _identities(uris: Sequence[str], reached: Reached) -> dict[str, str]:
    return {uri: await reached.output.identity(uri) for uri in uris}


async def _among(input_uri: str, identities: Mapping[str, str], reached: Reached) -> str:
    """The output that is the input itself; empty where none is."""
    if is_upload(input_uri) or not identities:
        return ""
    itself = await reached.input.identity(input_uri)
    return next((uri for uri, identity in identities.items() if identity == itself), "")


async def check_conflicts(store: RunStore, claim: Claim, reached: Reached) -> None:
    """Before a file is read: raises JobFailure OUTPUT_CONFLICT where its outputs have the place of others or of inputs.

    What a request or a manifest lists was checked before; of what a scan finds this is the check.
    """
    job = claim.job
    uris = output_uris(job.output, job.input_uri, job.relative_path)
    identities = await _identities(uris, reached)
    if conflict := await _among(job.input_uri, identities, reached):
        raise JobFailure(Reason.OUTPUT_CONFLICT, f"The output {conflict} is the input itself. Name another file.")
    if not (job.batch_id and uris):
        return
    if not job.output_key and not await store.claim_output(claim, await output_key(job, reached.output)):
        raise JobFailure(
            Reason.OUTPUT_CONFLICT,
            f"The outputs of another file of the batch have the same place, {uris[0]}. Submit this one with another.",
        )
    places = {*identities, *identities.values()}
    if inputs := await store.inputs_among(job.batch_id, sorted(places)):
        raise JobFailure(
            Reason.OUTPUT_CONFLICT, f"The output {inputs[0]} is an input of the batch. Write to another folder."
        )


async def check_replaceable(uri: str, storage: Storage) -> None:
    """Before a file is written or removed: raises JobFailure OUTPUT_CONFLICT for one whose name no output has.

    A link may lead to it from a name that one has.
    """
    if not is_output_name(itself := await storage.identity(uri)):
        raise JobFailure(
            Reason.OUTPUT_CONFLICT, f"The output {uri} leads to {itself}, which is no transcript. Remove the link."
        )
