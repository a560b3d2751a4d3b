"""URLs with request headers: which are refused, that no secret is shown, and what becomes of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batchscribe.v1 import batch_service_pb2 as batches
from batchscribe.v1 import job_service_pb2 as jobs
from batchscribe.v1 import storage_pb2 as pb
from batchscribe_server.domain.access import Fetch, StorageAccess
from batchscribe_server.domain.batch import SingleInput
from batchscribe_server.domain.errors import InvalidArgumentError
from batchscribe_server.rpc.convert_batch import batch_message, new_batch
from batchscribe_server.rpc.convert_job import job_message, new_job
from batchscribe_server.rpc.validate_fetch import MAX_HEADER_BYTES, MAX_HEADERS
from batchscribe_server.rpc.validate_requests import check_create_batch, check_create_job
from tests.contract.store.samples import new_batch as stored_batch
from tests.contract.store.samples import new_job as stored_job

URL = "https://example.org/calls/a.wav"
SIGNED = f"{URL}?X-Signature=SECRET#t=1"
BEARER = {"Authorization": "Bearer SECRET"}


def request(
    headers: dict[str, str], url: str = URL, **fields: pb.OutputConfig | pb.StorageAuth
) -> jobs.CreateJobRequest:
    message = jobs.CreateJobRequest()
    message.job.input.fetch.CopyFrom(pb.FetchInput(url=url, headers=headers))
    if isinstance(auth := fields.get("auth"), pb.StorageAuth):
        message.job.input.auth.CopyFrom(auth)
    if isinstance(output := fields.get("output"), pb.OutputConfig):
        message.job.output.CopyFrom(output)
    return message


def blamed(message: jobs.CreateJobRequest) -> dict[str, str]:
    """The fields that are named, and what is said of them."""
    with pytest.raises(InvalidArgumentError) as refused:
        check_create_job(message)
    assert "SECRET" not in str([violation.description for violation in refused.value.violations])
    assert "SECRET" not in str([violation.field for violation in refused.value.violations])
    return {violation.field: violation.description for violation in refused.value.violations}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        BEARER,
        {"Cookie": "a=b; c=d", "X-Api-Key": "k", "User-Agent": "mine/1.0 (x)", "Accept": "audio/*", "X-Empty": ""},
        {f"X-{number}": "v" for number in range(MAX_HEADERS)},
        {"X": "v" * (MAX_HEADER_BYTES - 1)},
    ],
)
def test_good_headers_pass(headers: dict[str, str]) -> None:
    check_create_job(request(headers))


@pytest.mark.parametrize(
    "name",
    [
        *("Host", "content-length", "Transfer-Encoding", "TE", "Connection", "Upgrade", "Expect", "Keep-Alive"),
        *("Range", "If-Range", "If-None-Match", "If-Modified-Since", "Accept-Encoding"),
        *("Proxy-Authorization", "PROXY-CONNECTION", "Metadata-Flavor", "X-aws-ec2-metadata-token"),
    ],
)
def test_a_header_of_the_services_own_is_refused_by_its_name(name: str) -> None:
    assert list(blamed(request({name: "SECRET"}))) == [f"job.input.fetch.headers[{name}]"]


@pytest.mark.parametrize(
    "value", ["SECRET\r\nX-Other: 1", "SECRET\n", " SECRET", "SECRET ", "SECRET\0", "SECRETé", "\t"]
)
def test_a_value_that_no_header_may_have_is_refused_and_not_shown(value: str) -> None:
    assert list(blamed(request({"X-Own": value}))) == ["job.input.fetch.headers[X-Own]"]


@pytest.mark.parametrize("name", ["", "Bearer SECRET", "X:SECRET", "X SECRET", "X\r\nSECRET", "SECRETé", "SECRET\n"])
def test_a_name_that_is_none_is_refused_and_not_shown(name: str) -> None:
    assert list(blamed(request({name: "v"}))) == ["job.input.fetch.headers"]


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({f"X-{number}": "v" for number in range(MAX_HEADERS + 1)}, f"at most {MAX_HEADERS}"),
        ({"X": "v" * MAX_HEADER_BYTES}, f"at most {MAX_HEADER_BYTES}"),
    ],
)
def test_too_many_and_too_long_ones_are_refused(headers: dict[str, str], words: str) -> None:
    assert words in blamed(request(headers))["job.input.fetch.headers"]


def test_a_header_that_is_named_twice_is_refused() -> None:
    assert set(blamed(request({"authorization": "a", "Authorization": "b"}))) == {
        "job.input.fetch.headers[authorization]",
        "job.input.fetch.headers[Authorization]",
    }


@pytest.mark.parametrize(
    "url", ["", "s3://calls/a.wav", "file:///SECRET", "https:SECRET", "example.org/a.wav", "https://" + "a" * 5000]
)
def test_what_is_no_url_is_refused_by_its_field(url: str) -> None:
    assert list(blamed(request(BEARER, url))) == ["job.input.fetch.url"]


def test_credentials_for_object_stores_and_outputs_beside_it_are_refused() -> None:
    profile = pb.StorageAuth(profile="calls")
    assert "job.input.auth.profile" in blamed(request(BEARER, auth=profile))
    beside = pb.OutputConfig(layout=pb.OUTPUT_LAYOUT_ADJACENT)
    assert "job.output.layout" in blamed(request(BEARER, output=beside))


def test_only_what_is_secret_is_sealed_and_outputs_are_reached_without_it() -> None:
    assert new_job(request({}).job).access == StorageAccess()
    for headers, url in ((BEARER, URL), ({}, SIGNED)):
        new = new_job(request(headers, url).job)
        assert new.access == StorageAccess(Fetch(url, tuple(headers.items())), None)
        assert (new.input_uri, new.is_fetch) == (URL, True)


def test_a_batch_of_one_file_takes_headers_as_well() -> None:
    message = batches.CreateBatchRequest()
    message.batch.input.fetch.CopyFrom(pb.FetchInput(url=SIGNED, headers=BEARER))
    check_create_batch(message)
    new = new_batch(message.batch)
    assert new.input == SingleInput(URL, is_fetch=True)
    assert new.access.input == Fetch(SIGNED, tuple(BEARER.items()))
    message.batch.input.fetch.headers["Host"] = "x"
    with pytest.raises(InvalidArgumentError) as refused:
        check_create_batch(message)
    assert [violation.field for violation in refused.value.violations] == ["batch.input.fetch.headers[Host]"]


def test_it_is_shown_as_it_came_but_for_its_secrets() -> None:
    shown = pb.InputConfig(fetch=pb.FetchInput(url=URL))
    job = job_message(replace(stored_job(), input_uri=URL, is_fetch=True))
    assert (job.input, job.input_uri) == (shown, URL)
    assert batch_message(replace(stored_batch(), input=SingleInput(URL, is_fetch=True))).input == shown
