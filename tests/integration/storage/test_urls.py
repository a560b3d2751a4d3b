"""Inputs from real web servers on loopback, over HTTP and HTTPS."""

from __future__ import annotations

import asyncio
import gzip
import logging
import socket
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from batchscribe_server.domain.errors import JobFailure, PathNotAllowedError, Reason
from batchscribe_server.storage.download import ATTEMPTS
from batchscribe_server.storage.fetched import FetchedFiles
from batchscribe_server.storage.url_rules import UrlOptions
from batchscribe_server.storage.urls import UrlStorage
from tests.scripted_web import LONG_AGO, Asked, Reply, certified, ranged, scripted_web

pytestmark = pytest.mark.timeout(60)

OPEN = UrlOptions(http=True, private_addresses=True)
PUBLIC = UrlOptions(http=True)
BODY = bytes(range(256)) * 4096
SECRET = "X-Signature=s3cr3t"
V1, V2 = {"ETag": '"one"'}, {"ETag": '"two"'}


class Pauses:
    """Time that passes at once; `asked_s` are the pauses that were asked for."""

    def __init__(self) -> None:
        self.asked_s: list[float] = []

    async def __call__(self, duration_s: float) -> None:
        self.asked_s.append(duration_s)


@asynccontextmanager
async def storage_of(
    folder: Path,
    options: UrlOptions = OPEN,
    *,
    max_size_bytes: int = 0,
    headers: Mapping[str, str] | None = None,
    max_total_bytes: int = 100 * 1024**2,
    pauses: Pauses | None = None,
) -> AsyncIterator[UrlStorage]:
    fetched = FetchedFiles(folder / "fetched", max_total_bytes)
    await fetched.start()
    sleep = pauses or Pauses()
    async with UrlStorage(options, fetched, max_size_bytes=max_size_bytes, headers=headers, sleep=sleep) as opened:
        yield opened
    assert list((folder / "fetched").iterdir()) == []


async def read(storage: UrlStorage, uri: str) -> bytes:
    async with storage.open_input(uri) as opened:
        content = Path(opened.path).read_bytes()
        assert opened.size_bytes == len(content)
        return content


async def failure_of(doing: Any) -> JobFailure:
    with pytest.raises(JobFailure) as failure:
        await doing
    assert "s3cr3t" not in str(failure.value)
    assert failure.value.__cause__ is None
    return failure.value


def ranges(asked: list[Asked]) -> list[tuple[str | None, str | None]]:
    return [(each.headers.get("range"), each.headers.get("if-range")) for each in asked]


# whole files


@pytest.mark.parametrize(
    "target",
    ["/calls/a.wav", "/a%20b.wav", "/%C3%BC%20%231%3F.wav", "/x?id=1&name=b.wav", "/", "/ü ö.wav", "/a+b;c.wav"],
)
async def test_a_file_is_there_for_as_long_as_it_is_open(tmp_path: Path, target: str) -> None:
    async with scripted_web(lambda _: Reply(body=BODY)) as web, storage_of(tmp_path) as storage:
        async with storage.open_input(web.url(target) + "#part") as opened:
            assert Path(opened.path).read_bytes() == BODY
            assert list((tmp_path / "fetched").iterdir()) == [Path(opened.path)]
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
        assert Path(opened.path).read_bytes() == BODY
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


@pytest.mark.parametrize(
    ("status", "headers", "pause_s"),
    [
        (503, {}, 0.2),
        (500, {"Retry-After": "0"}, 0.2),
        (429, {"Retry-After": "7"}, 7.0),
        (503, {"Retry-After": "3600"}, 30.0),
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

        async with fetched.room(6):
            waiting = asyncio.create_task(fetch(5))
            await web.was_asked.wait()
            await fetch(4)
            order.append("room is given back")
        await waiting
    assert order == ["4 bytes", "room is given back", "5 bytes"]


# redirects


async def test_redirects_of_one_origin_keep_the_clients_headers(tmp_path: Path) -> None:
    def script(asked: Asked) -> Reply:
        hops = {"/a": "/b?x=1", "/b?x=1": "c", "/c": f"//127.0.0.1:{web.port}/d"}
        if asked.target in hops:
            return Reply(301 + len(web.asked) % 2, headers={"Location": hops[asked.target]})
        return Reply(body=b"sound")

    async with (
        scripted_web(script) as web,
        storage_of(tmp_path, headers={"Authorization": "Bearer s3cr3t", "X-Own": "1"}) as storage,
    ):
        assert await read(storage, web.url("/a")) == b"sound"
    assert [each.target for each in web.asked] == ["/a", "/b?x=1", "/c", "/d"]
    assert {each.headers["authorization"] for each in web.asked} == {"Bearer s3cr3t"}
    assert {each.headers["x-own"] for each in web.asked} == {"1"}


async def test_another_origin_is_sent_neither_headers_nor_cookies(tmp_path: Path) -> None:
    async with scripted_web(lambda _: Reply(body=b"sound")) as other:

        def script(_: Asked) -> Reply:
            return Reply(307, headers={"Location": other.url("/a?token=x"), "Set-Cookie": "who=me; Path=/"})

        async with (
            scripted_web(script) as web,
            storage_of(tmp_path, headers={"Authorization": "Bearer s3cr3t"}) as storage,
        ):
            for _ in range(2):
                assert await read(storage, web.url("/a")) == b"sound"
    assert all(each.headers["authorization"] == "Bearer s3cr3t" for each in web.asked)
    assert len(other.asked) == 2
    for asked in other.asked:
        assert asked.target == "/a?token=x"
        assert "authorization" not in asked.headers
    assert not any("cookie" in each.headers for each in [*web.asked, *other.asked])


async def test_a_resumed_fetch_follows_the_redirect_again(tmp_path: Path) -> None:
    cuts = iter([300_000, None])

    def script(asked: Asked) -> Reply:
        if asked.target == "/a":
            return Reply(302, headers={"Location": f"/signed?{len(web.asked)}"})
        return ranged(asked, BODY, V1, next(cuts))

    async with scripted_web(script) as web, storage_of(tmp_path) as storage:
        assert await read(storage, web.url("/a")) == BODY
    assert [each.target for each in web.asked] == ["/a", "/signed?1", "/a", "/signed?3"]
    assert web.asked[3].headers["range"] == "bytes=300000-"


async def test_redirects_in_a_circle_end(tmp_path: Path) -> None:
    async with (
        scripted_web(lambda _: Reply(302, headers={"Location": f"/a?{SECRET}"})) as web,
        storage_of(tmp_path) as storage,
    ):
        failure = await failure_of(read(storage, web.url(f"/a?{SECRET}")))
    assert "more than 5 times" in failure.message
    assert len(web.asked) == 6


@pytest.mark.parametrize(
    "location", ["ftp://127.0.0.1/a", "http://user:s3cr3t@127.0.0.1/a", "http://127.0.0.1:x/", "file:///etc/passwd"]
)
async def test_a_redirect_to_what_is_no_good_url_is_refused(tmp_path: Path, location: str) -> None:
    async with (
        scripted_web(lambda _: Reply(302, headers={"Location": location})) as web,
        storage_of(tmp_path) as storage,
    ):
        failure = await failure_of(read(storage, web.url()))
    assert (failure.reason, len(web.asked)) == (Reason.FETCH_FAILED, 1)
    assert "redirects to" in failure.message


async def test_a_redirect_to_a_host_that_is_not_allowed_is_refused(tmp_path: Path) -> None:
    options = UrlOptions(http=True, private_addresses=True, hosts=("127.0.0.1",))
    async with scripted_web(lambda _: Reply(body=b"sound")) as web:
        target = web.url(f"/a?{SECRET}", host="localhost")
        async with (
            scripted_web(lambda _: Reply(302, headers={"Location": target})) as first,
            storage_of(tmp_path, options) as storage,
        ):
            failure = await failure_of(read(storage, first.url()))
    assert "storage.https.hosts" in failure.message
    assert web.asked == []


# HTTPS


async def test_a_certificate_that_nobody_vouches_for_ends_the_fetch_at_once(tmp_path: Path) -> None:
    tls, _ = certified(tmp_path)
    pauses = Pauses()
    async with (
        scripted_web(lambda _: Reply(body=b"sound"), tls) as web,
        storage_of(tmp_path, UrlOptions(private_addresses=True), pauses=pauses) as storage,
    ):
        failure = await failure_of(read(storage, web.url(f"/a?{SECRET}")))
    assert failure.reason is Reason.FETCH_FAILED
    assert "certificate was not accepted" in failure.message
    assert (web.asked, pauses.asked_s) == ([], [])


async def test_a_server_that_speaks_no_tls_ends_the_fetch_at_once(tmp_path: Path) -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-here\r\n")
        writer.close()
        await writer.wait_closed()

    pauses = Pauses()
    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, storage_of(tmp_path, pauses=pauses) as storage:
        failure = await failure_of(read(storage, f"https://127.0.0.1:{port}/a?{SECRET}"))
    assert "TLS" in failure.message
    assert pauses.asked_s == []


async def test_https_is_fetched_resumed_and_never_left_for_http(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, authority = certified(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    cuts = iter([300_000, None])
    async with scripted_web(lambda _: Reply(body=b"sound")) as plain:

        def script(asked: Asked) -> Reply:
            if asked.target == "/a.wav":
                return ranged(asked, BODY, V1, next(cuts))
            return Reply(302, headers={"Location": plain.url(f"/a?{SECRET}")})

        async with scripted_web(script, tls) as web:
            async with storage_of(tmp_path, UrlOptions(private_addresses=True)) as storage:
                assert await read(storage, web.url()) == BODY
                failure = await failure_of(read(storage, web.url("/plain")))
            assert "storage.https.http" in failure.message
            assert plain.asked == []
            async with storage_of(tmp_path) as storage:
                assert await read(storage, web.url("/plain")) == b"sound"
    assert ranges(web.asked)[:2] == [(None, None), ("bytes=300000-", '"one"')]


# addresses


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "[::ffff:127.0.0.1]", "[::1]"])
async def test_private_addresses_are_refused_however_they_are_written(tmp_path: Path, host: str) -> None:
    async with scripted_web(lambda _: Reply(body=b"sound")) as web, storage_of(tmp_path, PUBLIC) as storage:
        failure = await failure_of(read(storage, web.url(f"/a?{SECRET}", host=host)))
    assert failure.reason is Reason.FETCH_FAILED
    assert "storage.https.private_addresses" in failure.message
    assert web.asked == []


def names_lead_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Every name leads to the first of the addresses, and later to the last that is left; returns what is left."""
    left = list(addresses)
    real = socket.getaddrinfo

    def found(host: Any, *arguments: Any, **named: Any) -> Any:
        if host not in (b"name.test", "name.test"):
            return real(host, *arguments, **named)
        return real(left.pop(0) if len(left) > 1 else left[0], *arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", found)
    return left


async def test_a_name_that_leads_to_a_private_address_is_refused_before_anything_is_connected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names_lead_to(monkeypatch, "127.0.0.1")
    async with scripted_web(lambda _: Reply(body=b"sound")) as web, storage_of(tmp_path, PUBLIC) as storage:
        await storage.check_allowed(web.url(host="name.test"))
        failure = await failure_of(read(storage, web.url(f"/a?{SECRET}", host="name.test")))
        assert "storage.https.private_addresses" in failure.message
        assert web.connections == 0
    async with scripted_web(lambda _: Reply(body=b"sound")) as web, storage_of(tmp_path) as storage:
        assert await read(storage, web.url(host="name.test")) == b"sound"


async def test_a_name_that_leads_elsewhere_once_it_was_checked_is_refused_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = names_lead_to(monkeypatch, "1.1.1.1", "127.0.0.1")
    async with scripted_web(lambda _: Reply(body=b"sound")) as web, storage_of(tmp_path, PUBLIC) as storage:
        failure = await failure_of(read(storage, web.url(f"/a?{SECRET}", host="name.test")))
    assert left == ["127.0.0.1"]
    assert "storage.https.private_addresses" in failure.message
    assert web.asked == []


@pytest.mark.parametrize("host", ["127.0.0.2", "name.test"])
async def test_a_redirect_to_a_private_address_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    names_lead_to(monkeypatch, "127.0.0.2")
    only_first = UrlOptions(http=True, private_networks=("127.0.0.1/32",))
    async with scripted_web(lambda _: Reply(body=b"secrets"), address="127.0.0.2") as inside:

        def script(asked: Asked) -> Reply:
            to_inside = {"Location": inside.url(f"/a?{SECRET}", host=host)}
            return Reply(302, headers=to_inside) if asked.target == "/out" else Reply(body=b"sound")

        async with scripted_web(script) as web, storage_of(tmp_path, only_first) as storage:
            assert await read(storage, web.url("/here")) == b"sound"
            failure = await failure_of(read(storage, web.url("/out")))
    assert "storage.https.private_addresses" in failure.message
    assert (inside.asked, inside.connections) == ([], 0)


# what URLs are for


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://example.org/a.wav", "storage.https.http"),
        ("https://user:s3cr3t@example.org/a.wav", "password"),
        ("https://user@example.org/a.wav", "password"),
        ("https://user:s3cr3t/more@example.org/a.wav", "https://host/path"),
        ("https:///a.wav", "https://host/path"),
        ("https://example.org:port/a.wav", "https://host/path"),
        ("ftp://example.org/a.wav", "https://host/path"),
        ("a.wav", "https://host/path"),
        ("https://example.org/a%00.wav", "zero byte"),
        ("https://10.1.2.3/a.wav", "storage.https.private_addresses"),
        ("https://LOCALHOST./a.wav", "storage.https.private_addresses"),
        ("https://169.254.169.254/latest/meta-data", "storage.https.private_addresses"),
    ],
)
async def test_what_may_not_be_fetched_is_refused_when_it_is_submitted(tmp_path: Path, url: str, words: str) -> None:
    async with storage_of(tmp_path, UrlOptions()) as storage:
        await storage.check_allowed(f"https://example.org/a.wav?{SECRET}")
        with pytest.raises(PathNotAllowedError, match=words) as refused:
            await storage.check_allowed(f"{url}?{SECRET}")
        assert "s3cr3t" not in str(refused.value) + str(refused.value.metadata)
        failure = await failure_of(read(storage, f"{url}?{SECRET}"))
    assert failure.message == refused.value.message


async def test_only_hosts_of_the_operators_list_are_allowed(tmp_path: Path) -> None:
    async with storage_of(tmp_path, UrlOptions(hosts=("Media.example.org", "*.store.example"))) as storage:
        for good in ("https://media.example.org:8443/a", "https://a.store.example/a", "https://x.y.STORE.example./a"):
            await storage.check_allowed(good)
        for bad in ("https://example.org/a", "https://store.example/a", "https://badstore.example/", "https://a.b/"):
            with pytest.raises(PathNotAllowedError, match=r"storage\.https\.hosts"):
                await storage.check_allowed(bad)


async def test_urls_are_neither_listed_nor_written(tmp_path: Path) -> None:
    async with storage_of(tmp_path) as storage:
        url = f"https://example.org/a/?{SECRET}"
        with pytest.raises(JobFailure, match="can't be listed") as scanned:
            async for _ in storage.list_prefix(url):
                pytest.fail("there is nothing to list")
        assert scanned.value.reason is Reason.SCAN_FAILED
        assert "s3cr3t" not in str(scanned.value)
        writing = (
            storage.write_output(url, b""),
            storage.check_writable(url),
            storage.exists(url),
            storage.remove(url),
        )
        for doing in writing:
            assert (await failure_of(doing)).reason is Reason.OUTPUT_FAILED
        assert await storage.same("https://Example.org:443/a?x#1", "https://example.org/a?x#2")
        assert not await storage.same("https://example.org/a?x", "https://example.org/a?y")
        assert not await storage.same("https://example.org:x/", "https://example.org:x/")


async def test_nothing_is_logged_of_a_url(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with scripted_web(lambda _: Reply(body=b"sound")) as web, storage_of(tmp_path) as storage:
        assert await read(storage, web.url(f"/a.wav?{SECRET}")) == b"sound"
    logging.getLogger("tests").info("something")
    assert "something" in caplog.text
    assert "s3cr3t" not in caplog.text
