"""REST, gRPC and gRPC-Web through a real Envoy, each answer held against the OpenAPI document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from batchscribe import AsyncClient, JobNotFoundError
from batchscribe.v1 import state_pb2
from batchscribe.v1.model_service_pb2 import ListModelsRequest, ListModelsResponse
from tests.many_files import UTTERANCES, make_files, words
from tests.openapi import DOCUMENT, OpenApi
from tests.running_gateway import RunningGateway, running_gateway
from tests.running_server import RunningServer, running_server
from tests.speech import spoken

pytestmark = pytest.mark.slow

ORIGIN = "https://console.example.org"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("rest"), "--model=tiny.en") as started:
        yield started


@pytest.fixture(scope="module")
def gateway(server: RunningServer) -> Iterator[RunningGateway]:
    with running_gateway(server.folder, server.address, options=(f"--cors-origin={ORIGIN}",)) as started:
        yield started


@pytest.fixture(scope="module")
def rest(gateway: RunningGateway) -> Iterator[Rest]:
    with httpx.Client(base_url=f"http://{gateway.address}", trust_env=False, timeout=60) as client:
        yield Rest(client)


class Rest:
    """An HTTP client whose every exchange must be as the document says."""

    def __init__(self, client: httpx.Client) -> None:
        self.plain = client
        self.openapi = OpenApi()

    def __call__(self, method: str, path: str, body: Any = None, *, status: int = 200, **query: Any) -> Any:
        """The JSON of an answer, whose status must be this."""
        self.openapi.check_request(method, path, set(query), body)
        answer = self.plain.request(method, path, json=body, params=query)
        assert answer.status_code == status, answer.text
        assert answer.headers["x-request-id"]
        parsed = answer.json()
        self.openapi.check_answer(method, path, status, answer.headers["content-type"], parsed)
        return parsed

    def stream(self, path: str, accept: str, **query: Any) -> tuple[str, list[str]]:
        """The content type of a stream, and its lines until it ends."""
        self.openapi.check_request("GET", path, set(query), None)
        with self.plain.stream("GET", path, params=query, headers={"accept": accept}) as answer:
            assert answer.status_code == 200
            return answer.headers["content-type"], list(answer.iter_lines())

    def watched(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """The messages of a watch as newline-delimited JSON."""
        content_type, lines = self.stream(path, "application/json", **query)
        messages = [json.loads(line) for line in lines if line]
        for message in messages:
            self.openapi.check_answer("GET", path, 200, content_type, message)
        return messages


def reason_of(answer: Any) -> str:
    (info,) = [each for each in answer["details"] if each["@type"].endswith("google.rpc.ErrorInfo")]
    assert info["domain"] == "batchscribe"
    return str(info["reason"])


@pytest.fixture(scope="module")
def calls(server: RunningServer) -> Path:
    folder = server.folder / "calls"
    make_files(folder, 3)
    return folder


def test_a_job_from_its_creation_to_its_removal(rest: Rest, calls: Path) -> None:
    job = {"input": {"uri": (calls / "002.wav").as_uri()}, "display_name": "A call", "labels": {"team": "a"}}
    created = rest("POST", "/v1/jobs", job, job_id="whole-life")
    assert (created["name"], created["labels"]) == ("jobs/whole-life", {"team": "a"})

    messages = rest.watched("/v1/jobs/whole-life:watch")
    assert messages[0]["snapshot"]["name"] == "jobs/whole-life"
    assert messages[-1]["state_change"]["state"] == "STATE_SUCCEEDED"
    (segment,) = [message["segment"] for message in messages if "segment" in message]
    assert words(segment["text"]) == words(UTTERANCES[2])

    read = rest("GET", "/v1/jobs/whole-life", wait="5s")
    assert (read["state"], read["display_name"]) == ("STATE_SUCCEEDED", "A call")
    assert rest("POST", "/v1/jobs/whole-life:cancel")["state"] == "STATE_SUCCEEDED"
    assert reason_of(rest("POST", "/v1/jobs/whole-life:retry", status=400))

    assert rest("DELETE", "/v1/jobs/whole-life", etag=read["etag"]) == {}
    assert reason_of(rest("GET", "/v1/jobs/whole-life", status=404)) == "JOB_NOT_FOUND"


def test_a_watch_as_server_sent_events_resumes_after_a_sequence(rest: Rest, calls: Path) -> None:
    rest("POST", "/v1/jobs", {"input": {"uri": (calls / "000.wav").as_uri()}}, job_id="server-sent")
    whole = rest.watched("/v1/jobs/server-sent:watch")
    path = "/v1/jobs/server-sent:watch"

    content_type, lines = rest.stream(path, "text/event-stream", after_sequence=2, include_segments="false")

    assert content_type == "text/event-stream"
    assert all(line.startswith("data: ") for line in lines if line)
    events = [json.loads(line.removeprefix("data: ")) for line in lines if line]
    for event in events:
        rest.openapi.check_answer("GET", path, 200, content_type, event)
    assert [name for event in events for name in ("snapshot", "segment") if name in event] == ["snapshot"]
    assert all(int(event["sequence"]) > 2 for event in events[1:])
    assert events[-1] == whole[-1]


@pytest.mark.parametrize(
    ("name", "media_type", "start"),
    [("VTT", "text/vtt", "WEBVTT"), ("SRT", "application/x-subrip", "1\n"), ("TEXT", "text/plain", "The")],
)
def test_a_transcript_in_its_own_format(rest: Rest, calls: Path, name: str, media_type: str, start: str) -> None:
    job = f"transcript-{name.lower()}"
    rest("POST", "/v1/jobs", {"input": {"uri": (calls / "001.wav").as_uri()}}, job_id=job)
    assert rest("GET", f"/v1/jobs/{job}", wait="60s")["state"] == "STATE_SUCCEEDED"

    answer = rest.plain.get(f"/v1/jobs/{job}/transcript", params={"format": f"TRANSCRIPT_FORMAT_{name}"})

    assert answer.status_code == 200
    assert answer.headers["content-type"] == f"{media_type}; charset=utf-8"
    rest.openapi.check_answer("GET", f"/v1/jobs/{job}/transcript", 200, media_type, answer.text)
    assert answer.text.startswith(start)
    assert " ".join(words(UTTERANCES[1])) in " ".join(words(answer.text))


def test_a_batch_from_its_creation_to_its_removal(rest: Rest, calls: Path) -> None:
    batch = {"input": {"prefix": {"uri": f"{calls.as_uri()}/"}}, "display_name": "Calls"}
    assert rest("POST", "/v1/batches", batch, batch_id="all-calls")["name"] == "batches/all-calls"
    messages = rest.watched("/v1/batches/all-calls:watch")
    assert messages[-1]["state_change"]["state"] == "STATE_SUCCEEDED"
    assert rest("GET", "/v1/batches/all-calls")["counts"]["succeeded"] == "3"

    names: list[str] = []
    page = rest("GET", "/v1/batches/all-calls/jobs", page_size=2)
    names += [job["name"] for job in page["jobs"]]
    page = rest("GET", "/v1/batches/all-calls/jobs", page_size=2, page_token=page["next_page_token"])
    names += [job["name"] for job in page["jobs"]]
    assert (len(names), len(set(names)), page["next_page_token"]) == (3, 3, "")

    changed = rest(
        "PATCH", "/v1/batches/all-calls", {"display_name": "Old calls", "priority": 5}, update_mask="display_name"
    )
    assert (changed["display_name"], changed["priority"]) == ("Old calls", 0)
    listed = rest("GET", "/v1/batches", filter="state = SUCCEEDED", order_by="create_time")
    assert "batches/all-calls" in [each["name"] for each in listed["batches"]]
    assert rest("GET", "/v1/jobs", filter="state = SUCCEEDED", page_size=1)["jobs"]
    assert rest("POST", "/v1/batches/all-calls:cancel")["state"] == "STATE_SUCCEEDED"
    assert reason_of(rest("POST", "/v1/batches/all-calls:retry", status=400))
    assert rest("DELETE", "/v1/batches/all-calls") == {}


def test_models(rest: Rest) -> None:
    assert "models/tiny.en" in [model["name"] for model in rest("GET", "/v1/models")["models"]]
    assert rest("GET", "/v1/models/tiny.en")["installed"] is True
    # The id of a model may hold a slash.
    assert rest.plain.get("/v1/models/Systran/faster-whisper-tiny.en").json()["name"] == "models/tiny.en"


def test_errors_are_json_with_their_reason(rest: Rest, calls: Path) -> None:
    bad = rest("POST", "/v1/jobs", {"input": {"uri": "ftp://nowhere"}, "priority": 1000}, status=400)
    (violations,) = [each["field_violations"] for each in bad["details"] if "field_violations" in each]
    assert {violation["field"] for violation in violations} == {"job.input.uri", "job.priority"}
    answer = rest.plain.get("/v1/batches/nowhere")
    assert answer.headers["x-error-reason"] == reason_of(answer.json()) == "BATCH_NOT_FOUND"
    # An error before the first message of a stream is one of the whole call.
    assert reason_of(rest("GET", "/v1/jobs/nowhere:watch", status=404)) == "JOB_NOT_FOUND"
    assert reason_of(rest("GET", "/v1/jobs/nowhere/transcript", status=404)) == "JOB_NOT_FOUND"
    job = {"input": {"uri": (calls / "000.wav").as_uri()}}
    rest("POST", "/v1/jobs", job, job_id="taken")
    assert reason_of(rest("POST", "/v1/jobs", job, job_id="taken", status=409)) == "ALREADY_EXISTS"
    assert reason_of(rest("DELETE", "/v1/jobs/taken", etag="old", status=409)) == "ETAG_MISMATCH"


@pytest.mark.parametrize(
    ("method", "path", "content", "status", "reason"),
    [
        ("POST", "/v1/jobs", b'{"input": {', 400, "MALFORMED_REQUEST"),
        ("POST", "/v1/jobs", b'{"priority": "high"}', 400, "MALFORMED_REQUEST"),
        ("POST", "/v1/jobs", b'{"display_name": "' + b"x" * (5 << 20) + b'"}', 413, "REQUEST_TOO_LARGE"),
        ("GET", "/v1/models?colour=red", None, 400, "MALFORMED_REQUEST"),
        ("GET", "/v1/jobs/x/transcript?format=DOC", None, 400, "MALFORMED_REQUEST"),
        ("GET", "/v1/nothing", None, 404, "NO_SUCH_PATH"),
        ("PUT", "/v1/jobs", b"{}", 404, "NO_SUCH_PATH"),
        ("GET", "/", None, 404, "NO_SUCH_PATH"),
    ],
)
def test_what_the_gateway_refuses_itself_is_json_with_a_reason(
    rest: Rest, method: str, path: str, content: bytes | None, status: int, reason: str
) -> None:
    headers = {"x-request-id": "refused.1", "content-type": "application/json"} if content else {}
    answer = rest.plain.request(method, path, content=content, headers=headers)
    assert (answer.status_code, reason_of(answer.json())) == (status, reason)
    assert answer.json()["message"]
    rest.openapi.check_message("Status", answer.json())
    sent = [each["request_id"] for each in answer.json()["details"] if "request_id" in each]
    assert sent == [answer.headers["x-request-id"]]


def test_every_operation_of_the_document_was_answered(rest: Rest) -> None:
    """By the tests above, which it takes for granted."""
    operations = {each["operationId"] for path in DOCUMENT["paths"].values() for each in path.values()}
    assert rest.openapi.answered == operations


def test_a_field_of_a_body_that_is_not_known_is_ignored(rest: Rest, calls: Path) -> None:
    # As docs/openapi.json says: Envoy drops it before a replica could refuse it.
    job = {"input": {"uri": (calls / "000.wav").as_uri()}, "colour": "red", "displayName": "In camelCase"}
    answer = rest.plain.post("/v1/jobs", params={"validate_only": "true"}, json=job)
    assert (answer.status_code, answer.json()["display_name"]) == (200, "In camelCase")


def test_a_request_id_goes_through_and_the_access_log_holds_no_query(
    rest: Rest, gateway: RunningGateway, server: RunningServer
) -> None:
    headers = {"x-request-id": "found.again-1", "authorization": "Bearer very-secret"}
    answer = rest.plain.get("/v1/jobs", params={"filter": 'reference_id = "very-secret"'}, headers=headers)
    assert (answer.status_code, answer.headers["x-request-id"]) == (200, "found.again-1")

    line = gateway.access("found.again-1")
    assert (line["method"], line["path"], line["status"]) == ("GET", "/v1/jobs", 200)
    assert line["replica"] == server.address
    assert "very-secret" not in gateway.said()
    assert "found.again-1" in server.log.read_text()

    rest.plain.get("/v1/jobs/nowhere", headers={"x-request-id": "found.again-2"})
    assert gateway.access("found.again-2")["reason"] == "JOB_NOT_FOUND"


def test_pages_of_the_origins_that_were_named_may_call(rest: Rest) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    allowed = rest.plain.options("/v1/jobs", headers={"origin": ORIGIN, **asked})
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, ORIGIN)
    read = rest.plain.get("/v1/models/nothing", headers={"origin": ORIGIN})
    assert "x-request-id" in read.headers["access-control-expose-headers"]
    refused = rest.plain.options("/v1/jobs", headers={"origin": "https://evil.example.org", **asked})
    assert "access-control-allow-origin" not in refused.headers


def test_grpc_web(rest: Rest) -> None:
    message = ListModelsRequest().SerializeToString()
    answer = rest.plain.post(
        "/batchscribe.v1.ModelService/ListModels",
        content=b"\0" + len(message).to_bytes(4) + message,
        headers={"content-type": "application/grpc-web+proto", "x-grpc-web": "1"},
    )
    assert answer.headers["content-type"] == "application/grpc-web+proto"
    size = int.from_bytes(answer.content[1:5])
    models = ListModelsResponse.FromString(answer.content[5 : 5 + size]).models
    assert "models/tiny.en" in [model.name for model in models]
    trailers = answer.content[5 + size :]
    assert trailers[0] == 0x80
    assert b"grpc-status:0" in trailers


async def test_the_python_client_works_through_it(gateway: RunningGateway) -> None:
    async with AsyncClient(gateway.address) as client:
        job = await client.submit(spoken(UTTERANCES[3]))  # an upload
        kinds = [event.WhichOneof("event") async for event in client.watch_job(job.name)]
        assert (kinds[0], kinds[-1]) == ("snapshot", "state_change")
        assert (await client.get_job(job.name)).state == state_pb2.STATE_SUCCEEDED
        assert words(await client.transcript(job.name)) == words(UTTERANCES[3])
        with pytest.raises(JobNotFoundError) as raised:
            await client.get_job("jobs/nowhere")
    assert raised.value.code is grpc.StatusCode.NOT_FOUND
    assert raised.value.request_id
