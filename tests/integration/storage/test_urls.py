"""Files from real web servers on loopback: fetched whole, whatever is cut off, changed, or answered."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import os
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from batchscribe_server.domain.errors import Reason, StoreAwayFailure
from batchscribe_server.domain.party import Party
from batchscribe_server.storage import urls
from batchscribe_server.storage.download import ATTEMPTS
from batchscribe_server.storage.fetched import FetchedFiles
from batchscribe_server.storage.urls import UrlStorage
from tests.scripted_web import LONG_AGO, Asked, Reply, ranged, scripted_web
from tests.storage_steps import content_of, read
from tests.tcp_server import tcp_server
from tests.url_storage import BODY, OPEN, SECRET, V1, V2, Pauses, failure_of, ranges, storage_of

pytestmark = pytest.mark.timeout(60)

# whole files


@pytest.mark.parametrize(
    "target",
    ["/calls/a.wav", "/a%20b.wav", "/%C3%BC%20%231%3F.wav", "/x?id=1&name=b.wav", "/", "/ü ö.wav", "/a+b;c.wav"],
)
async def test_a_file_is_there_for_as_long_as_it_is_open(tmp_path: Path, target: str) -> None:
    async with scripted_web(lambda _: Reply(body=BODY)) as web, storage_of(tmp_path) as storage:
        async with storage.open_input(web.url(target) + "#part") as opened:
            assert content_of(opened) == BODY
            (fetched,) = (tmp_path / "fetched").iterdir()
            assert os.path.samestat(fetched.stat(), os.fstat(opened.descriptor))
        assert list((tmp_path / "fetched").iterdir()) == []
    assert web.asked[0].target == target.replace("ü ö", "%C3%BC%20%C3%B6")
    assert web.asked[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("body", [b"", b"sound", BODY])
async def test_a_length_that_is_not_told_is_found_out(tmp_path: Path, body: bytes) -> None:
    async with scripted_web(lambda _: Reply(body=body, chunked=True)) as web, storage_of(tmp_path) as storage:
        assert await read(storage, web.url()) == body


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_what_comes_compressed_unasked_is_opened(tmp_path: Path, encoding: str) -> None:
    compressed = gzip.compress(BODY[:7]) + gzip.compress(BODY[7:]) if encoding == "gzip" else zlib.compress(BODY)
    reply = Reply(body=compressed, headers={"Content-Encoding": encoding})
    async with scripted_web(lambda _: reply) as web, storage_of(tmp_path) as storage:
        assert await read(storage, web.url()) == BODY


async def test_an_encoding_that_was_not_asked_for_and_is_not_known_is_named(tmp_path: Path) -> None:
    reply = Reply(body=b"...", headers={"Content-Encoding": "br"})
    async with scripted_web(lambda _: reply) as web, storage_of(tmp_path) as storage:
        failure = await failure_of(read(storage, web.url()))
    assert failure.reason is Reason.FETCH_FAILED
    assert "'br'" in failure.message


async def test_what_is_not_what_its_encoding_says_is_told(tmp_path: Path) -> None:
    reply = Reply(body=BODY, headers={"Content-Encoding": "gzip"})
    async with scripted_web(lambda _: reply) as web, storage_of(tmp_path) as storage:
        assert "Content-Encoding" in (await failure_of(read(storage, web.url()))).message


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (Reply(body=b"sound", headers=V1), Reply(body=b"sound", headers=V2)),
        (
            Reply(body=b"sound", headers={"Last-Modified": LONG_AGO}),
            Reply(body=b"sound", headers={"Last-Modified": LONG_AGO.replace("1970", "1971")}),
        ),
        (Reply(body=b"sound"), Reply(body=b"noise")),
        (Reply(body=b"sound", headers={"ETag": 'W/"1"'}), Reply(body=b"noise", headers={"ETag": 'W/"1"'})),
        (Reply(body=b"sound", chunked=True), Reply(body=b"noise", chunked=True)),
    ],
)
async def test_the_fingerprint_changes_with_the_file(tmp_path: Path, one: Reply, two: Reply) -> None:
    replies = iter([one, one, two])
    fingerprints = []
    async with scripted_web(lambda _: next(replies)) as web, storage_of(tmp_path) as storage:
        for _ in range(3):
            async with storage.open_input(web.url()) as opened:
                fingerprints.append(opened.fingerprint)
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]
    assert fingerprints[0].startswith("5-")


# cut off


@pytest.mark.parametrize(
    ("headers", "condition"),
    [(V1, '"one"'), ({"Last-Modified": LONG_AGO}, LONG_AGO), ({**V1, "Last-Modified": LONG_AGO}, '"one"')],
)
async def test_a_fetch_that_is_cut_off_goes_on_where_it_was(
    tmp_path: Path, headers: dict[str, str], condition: str
) -> None:
    cuts = iter([300_000, 400_000, None])
    async with (
        scripted_web(lambda asked: ranged(asked, BODY, headers, next(cuts))) as web,
        storage_of(tmp_path) as storage,
    ):
        assert await read(storage, web.url()) == BODY
    assert ranges(web.asked) == [
        (None, None),
        ("bytes=300000-", condition),
        ("bytes=700000-", condition),
    ]


async def test_a_file_of_unknown_length_goes_on_as_well_and_may_turn_out_to_be_whole(tmp_path: Path) -> None:
    def script(asked: Asked) -> Reply:
        if asked.start == 0:
            return Reply(body=BODY, headers=V1, chunked=True, cut_after=100_000)
        if asked.start == 100_000:
            rest = BODY[100_000:]
            part = {"Content-Range": f"bytes 100000-{len(BODY) - 1}/*"}
            return Reply(206, rest, {**V1, **part}, chunked=True, cut_after=len(rest))
        return Reply(416, headers={"Content-Range": f"bytes */{len(BODY)}"})

    async with scripted_web(script) as web, storage_of(tmp_path) as storage:
        assert await read(storage, web.url()) == BODY
    assert [each.start for each in web.asked] == [0, 100_000, len(BODY)]


@pytest.mark.parametrize("headers", [V1, {"Last-Modified": LONG_AGO}, {}, {"ETag": 'W/"1"'}])
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_server_without_ranges_starts_over(tmp_path: Path, headers: dict[str, str], chunked: bool) -> None:
    cuts = iter([900_000, 200_000, None])
    async with (
        scripted_web(lambda _: Reply(body=BODY, headers=headers, chunked=chunked, cut_after=next(cuts))) as web,
        storage_of(tmp_path) as storage,
        storage.open_input(web.url()) as opened,
    ):
        assert content_of(opened) == BODY
    assert len(web.asked) == 3


async def test_an_answer_that_is_cut_off_before_anything_came_is_asked_for_again(tmp_path: Path) -> None:
    cuts = iter([0, None])
    async with (
        scripted_web(lambda asked: ranged(asked, BODY, V1, next(cuts))) as web,
        storage_of(tmp_path) as storage,
    ):
        assert await read(storage, web.url()) == BODY
    assert ranges(web.asked) == [(None, None), (None, None)]


async def test_a_time_that_may_hold_two_versions_is_no_condition(tmp_path: Path) -> None:
    same_second = {"Last-Modified": LONG_AGO, "Date": LONG_AGO}
    cuts = iter([300_000, None])
    async with (
        scripted_web(lambda asked: ranged(asked, BODY, same_second, next(cuts))) as web,
        storage_of(tmp_path) as storage,
    ):
        assert await read(storage, web.url()) == BODY
    assert ranges(web.asked) == [(None, None), (None, None)]


async def test_a_compressed_body_that_is_cut_off_starts_over(tmp_path: Path) -> None:
    compressed = gzip.compress(BODY)
    cuts = iter([len(compressed) // 2, None])
    reply_headers = {**V1, "Content-Encoding": "gzip"}
    async with (
        scripted_web(lambda _: Reply(body=compressed, headers=reply_headers, cut_after=next(cuts))) as web,
        storage_of(tmp_path) as storage,
    ):
        assert await read(storage, web.url()) == BODY
    assert ranges(web.asked) == [(None, None), (None, None)]


async def test_the_wrong_part_is_not_taken(tmp_path: Path) -> None:
    def script(asked: Asked) -> Reply:
        if asked.start:
            return Reply(206, BODY[5:], {**V1, "Content-Range": f"bytes 5-{len(BODY) - 1}/{len(BODY)}"})
        return Reply(body=BODY, headers=V1, cut_after=None if len(web.asked) > 1 else 300_000)

    async with scripted_web(script) as web, storage_of(tmp_path) as storage:
        assert await read(storage, web.url()) == BODY
    assert [each.start for each in web.asked] == [0, 300_000, 0]


@pytest.mark.parametrize(
    "later",
    [
        Reply(body=BODY, headers=V2),
        Reply(body=BODY[:-1]),
        Reply(206, BODY[300_000:], {**V2, "Content-Range": f"bytes 300000-{len(BODY) - 1}/{len(BODY)}"}),
        Reply(206, BODY[300_000:], {"Content-Range": f"bytes 300000-{len(BODY) - 1}/{len(BODY) + 1}"}),
        Reply(416, headers={"Content-Range": "bytes */200000"}),
    ],
)
async def test_a_file_that_changes_while_it_is_fetched_is_said_to(tmp_path: Path, later: Reply) -> None:
    replies = iter([Reply(body=BODY, headers=V1, cut_after=300_000), later])
    async with scripted_web(lambda _: next(replies)) as web, storage_of(tmp_path) as storage:
        failure = await failure_of(read(storage, web.url(f"/a.wav?{SECRET}")))
    assert failure.reason is Reason.INPUT_CHANGED


async def test_a_server_that_never_comes_further_is_given_up(tmp_path: Path) -> None:
    pauses = Pauses()
    async with (
        scripted_web(lambda _: Reply(body=BODY, cut_after=300_000)) as web,
        storage_of(tmp_path, pauses=pauses) as storage,
    ):
        failure = await failure_of(read(storage, web.url(f"/a.wav?{SECRET}")))
    assert failure.reason is Reason.FETCH_FAILED
    assert "broke off" in failure.message
    assert len(web.asked) == ATTEMPTS
    assert pauses.asked_s == sorted(pauses.asked_s)


# answers that are no file


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (404, "there is nothing at"),
        (410, "there is nothing at"),
        (401, "the server answered 401"),
        (403, "the server answered 403"),
        (400, "the server answered 400"),
        (204, "the server answered 204"),
        (206, "the server answered 206"),
        (304, "the server answered 304"),
    ],
)
async def test_what_is_no_file_is_told_at_once(tmp_path: Path, status: int, words: str) -> None:
    async with scripted_web(lambda _: Reply(status)) as web, storage_of(tmp_path) as storage:
        failure = await failure_of(read(storage, web.url(f"/a.wav?{SECRET}#{SECRET}")))
    assert failure.reason is Reason.FETCH_FAILED
    assert words in failure.message
    assert web.url("/a.wav") in failure.message
    assert len(web.asked) == 1


@pytest.mark.parametrize(("look_s", "is_kept"), [(0.001, True), (1000.0, False)])
async def test_a_url_that_trickles_is_given_up(tmp_path: Path, look_s: float, is_kept: bool) -> None:
    """So long passes between two looks at the clock; the least speed is 1 KiB a second."""
    body = bytes(4 * 65536)
    options = replace(OPEN, min_bytes_per_s=1024)
    clock = itertools.count(0.0, look_s).__next__
    async with (
        scripted_web(lambda _: Reply(body=body)) as web,
        storage_of(tmp_path, options, clock=clock) as storage,
    ):
        if is_kept:
            assert await read(storage, web.url()) == body
            return
        failure = await failure_of(read(storage, web.url()))
    assert failure.reason is Reason.FETCH_FAILED
    assert "storage.https.min_bytes_per_s" in failure.message
    assert len(web.asked) == 1


async def test_headers_that_trickle_are_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte would begin another timeout of the client's."""
    monkeypatch.setattr(urls, "CONNECT_TIMEOUT_S", 0.1)
    monkeypatch.setattr(urls, "READ_TIMEOUT_S", 0.1)

    async def trickle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX-Name: ")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with tcp_server(trickle) as port, storage_of(tmp_path, pauses=Pauses()) as storage:
        failure = await failure_of(read(storage, f"http://127.0.0.1:{port}/a.wav"))
    assert isinstance(failure, StoreAwayFailure)


async def test_redirects_have_one_time_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is slow to send on, again and again, can't keep a file's place for as many times as long."""
    until_s: list[float | None] = []
    timeout_at = asyncio.timeout_at

    def noted(when: float | None) -> asyncio.Timeout:
        until_s.append(when)
        return timeout_at(when)

    monkeypatch.setattr(asyncio, "timeout_at", noted)
    async with (
        scripted_web(
            lambda asked: Reply(body=BODY) if asked.target == "/b" else Reply(302, headers={"Location": "/b"})
        ) as web,
        storage_of(tmp_path) as storage,
    ):
        assert await read(storage, web.url("/a")) == BODY
    assert len(until_s) == 2
    assert len(set(until_s)) == 1


async def test_attempts_that_bring_nothing_have_one_time_together(tmp_path: Path) -> None:
    clock = itertools.count(0.0, 20.0).__next__
    async with scripted_web(lambda _: Reply(503)) as web, storage_of(tmp_path, clock=clock) as storage:
        assert isinstance(await failure_of(read(storage, web.url())), StoreAwayFailure)
    assert len(web.asked) < ATTEMPTS


async def test_a_server_that_is_away_is_told_from_one_that_refuses_or_breaks_off(tmp_path: Path) -> None:
    replies = {
        "/busy": Reply(503),
        "/later": Reply(429, headers={"Retry-After": "3600"}),
        "/gone": Reply(404),
        "/denied": Reply(403),
        "/broken": Reply(body=b"sound", cut_after=2),
    }
    async with (
        scripted_web(lambda asked: replies[asked.target]) as web,
        storage_of(tmp_path, pauses=Pauses()) as storage,
    ):
        failures = {target: await failure_of(read(storage, web.url(target))) for target in replies}
        unasked = len([each for each in web.asked if each.target == "/later"])
    failures["nobody there"] = await failure_of(read_once(tmp_path, web.url()))
    away = {target for target, failure in failures.items() if isinstance(failure, StoreAwayFailure)}
    assert away == {"/busy", "/later", "nobody there"}
    assert unasked == 1
    later = failures["/later"]
    assert isinstance(later, StoreAwayFailure)
    assert later.after_s == 3600.0
    assert {failure.reason for failure in failures.values()} == {Reason.FETCH_FAILED}


@pytest.mark.parametrize(
    ("answer", "away"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nsound", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nsound", False),
        (b"HTTP/1.1 200 OK\r\nX: " + 200_000 * b"x", False),
        (b"HTTP/1.1 200 OK\r\nContent-", True),
        (b"", True),
    ],
)
async def test_an_answer_that_is_no_http_is_told_at_once_and_one_that_breaks_off_is_not(
    tmp_path: Path, answer: bytes, away: bool
) -> None:
    asked = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1") as server, storage_of(tmp_path, pauses=Pauses()) as urls:
        port = server.sockets[0].getsockname()[1]
        failure = await failure_of(read(urls, f"http://127.0.0.1:{port}/a.wav"))
    assert isinstance(failure, StoreAwayFailure) is away
    assert (asked > 1) is away
    assert failure.reason is Reason.FETCH_FAILED


async def read_once(folder: Path, url: str) -> bytes:
    async with storage_of(folder) as storage:
        return await read(storage, url)


@pytest.mark.parametrize(
    ("status", "headers", "pause_s"),
    [
        (503, {}, 0.2),
        (500, {"Retry-After": "0"}, 0.2),
        (429, {"Retry-After": "7"}, 7.0),
        (503, {"Retry-After": "30"}, 30.0),
        (503, {"Date": LONG_AGO, "Retry-After": LONG_AGO.replace("00:00:00", "00:00:09")}, 9.0),
        (503, {"Retry-After": "soon"}, 0.2),
    ],
)
async def test_a_busy_server_is_asked_again_when_it_wants(
    tmp_path: Path, status: int, headers: dict[str, str], pause_s: float
) -> None:
    replies = iter([Reply(status, headers=headers), Reply(body=b"sound")])
    pauses = Pauses()
    async with scripted_web(lambda _: next(replies)) as web, storage_of(tmp_path, pauses=pauses) as storage:
        assert await read(storage, web.url()) == b"sound"
    assert pauses.asked_s == [pause_s]


async def test_a_server_that_stays_busy_is_given_up(tmp_path: Path) -> None:
    async with scripted_web(lambda _: Reply(503)) as web, storage_of(tmp_path) as storage:
        failure = await failure_of(read(storage, web.url(f"/a.wav?{SECRET}")))
    assert (failure.reason, len(web.asked)) == (Reason.FETCH_FAILED, ATTEMPTS)
    assert "the server answered 503" in failure.message


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/a.wav?" + SECRET, "http://no-such-host.invalid/?" + SECRET])
async def test_a_server_that_is_not_there_is_told(tmp_path: Path, url: str) -> None:
    async with storage_of(tmp_path) as storage:
        assert "cannot be reached" in (await failure_of(read(storage, url))).message


# sizes and room


@pytest.mark.parametrize("chunked", [False, True])
async def test_too_large_a_file_is_not_fetched(tmp_path: Path, chunked: bool) -> None:
    reply = Reply(body=BODY, chunked=chunked)
    async with (
        scripted_web(lambda _: reply) as web,
        storage_of(tmp_path, max_size_bytes=len(BODY) - 1) as storage,
    ):
        failure = await failure_of(read(storage, web.url(f"/a.wav?{SECRET}")))
    assert failure.reason is Reason.MEDIA_TOO_LARGE
    async with (
        scripted_web(lambda _: reply) as web,
        storage_of(tmp_path, max_size_bytes=len(BODY)) as storage,
    ):
        assert await read(storage, web.url()) == BODY


async def test_what_grows_too_large_when_it_is_opened_is_not_kept(tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(200 * 1024**2))
    assert len(bomb) < 1024**2
    async with (
        scripted_web(lambda _: Reply(body=bomb, headers={"Content-Encoding": "gzip"})) as web,
        storage_of(tmp_path, max_size_bytes=1024**2) as storage,
    ):
        assert (await failure_of(read(storage, web.url()))).reason is Reason.MEDIA_TOO_LARGE


async def test_who_finds_no_room_on_the_disk_waits(tmp_path: Path) -> None:
    order: list[str] = []
    fetched = FetchedFiles(tmp_path / "fetched", 10)
    await fetched.start()
    async with (
        scripted_web(lambda asked: Reply(body=b"x" * int(asked.target[1:]))) as web,
        UrlStorage(OPEN, fetched) as storage,
    ):

        async def fetch(size_bytes: int) -> None:
            async with storage.open_input(web.url(f"/{size_bytes}")):
                order.append(f"{size_bytes} bytes")

        async with fetched.room(6, Party("default", "other")):
            waiting = asyncio.create_task(fetch(5))
            await web.was_asked.wait()
            await fetch(4)
            order.append("room is given back")
        await waiting
    assert order == ["4 bytes", "room is given back", "5 bytes"]
