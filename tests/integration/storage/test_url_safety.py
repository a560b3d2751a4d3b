"""Where URLs may lead, over redirects, TLS and names, and that nothing of a secret is told or sent elsewhere."""

from __future__ import annotations

import asyncio
import logging
import socket
from pathlib import Path
from typing import Any

import pytest

from batchscribe_server.domain.access import Fetch
from batchscribe_server.domain.errors import JobFailure, PathNotAllowedError, Reason
from batchscribe_server.storage.url_rules import UrlOptions
from tests.scripted_web import Asked, Reply, certified, ranged, scripted_web
from tests.storage_steps import read
from tests.url_storage import BODY, PUBLIC, SECRET, V1, Pauses, failure_of, ranges, storage_of

pytestmark = pytest.mark.timeout(60)

AUTHORIZATION = ("Authorization", "Bearer s3cr3t")

# redirects


async def test_redirects_of_one_origin_keep_the_clients_headers(tmp_path: Path) -> None:
    def script(asked: Asked) -> Reply:
        hops = {"/a": "/b?x=1", "/b?x=1": "c", "/c": f"//127.0.0.1:{web.port}/d"}
        if asked.target in hops:
            return Reply(301 + len(web.asked) % 2, headers={"Location": hops[asked.target]})
        return Reply(body=b"sound")

    async with scripted_web(script) as web, storage_of(tmp_path) as storage:
        fetch = Fetch(web.url("/a"), (AUTHORIZATION, ("X-Own", "1")))
        assert await read(storage.for_fetch(fetch), web.url("/a")) == b"sound"
    assert [each.target for each in web.asked] == ["/a", "/b?x=1", "/c", "/d"]
    assert {each.headers["authorization"] for each in web.asked} == {"Bearer s3cr3t"}
    assert {each.headers["x-own"] for each in web.asked} == {"1"}


async def test_another_origin_is_sent_neither_headers_nor_cookies(tmp_path: Path) -> None:
    async with scripted_web(lambda _: Reply(body=b"sound")) as other:

        def script(_: Asked) -> Reply:
            return Reply(307, headers={"Location": other.url("/a?token=x"), "Set-Cookie": "who=me; Path=/"})

        async with scripted_web(script) as web, storage_of(tmp_path) as storage:
            for _ in range(2):
                fetch = Fetch(web.url("/a"), (AUTHORIZATION,))
                assert await read(storage.for_fetch(fetch), web.url("/a")) == b"sound"
    assert all(each.headers["authorization"] == "Bearer s3cr3t" for each in web.asked)
    assert len(other.asked) == 2
    for asked in other.asked:
        assert asked.target == "/a?token=x"
        assert "authorization" not in asked.headers
    assert not any("cookie" in each.headers for each in [*web.asked, *other.asked])


async def test_headers_do_not_come_back_with_a_redirect_from_another_origin(tmp_path: Path) -> None:
    async with scripted_web(lambda _: Reply(302, headers={"Location": web.url("/b")})) as other:

        def script(asked: Asked) -> Reply:
            return Reply(body=b"sound") if asked.target == "/b" else Reply(302, headers={"Location": other.url()})

        async with scripted_web(script) as web, storage_of(tmp_path) as storage:
            fetch = Fetch(web.url("/a"), (AUTHORIZATION,))
            assert await read(storage.for_fetch(fetch), web.url("/a")) == b"sound"
    assert [(each.target, "authorization" in each.headers) for each in web.asked] == [("/a", True), ("/b", False)]
    assert "authorization" not in other.asked[0].headers


async def test_a_fetch_is_called_by_what_may_be_shown_of_its_url(tmp_path: Path) -> None:
    def script(asked: Asked) -> Reply:
        return Reply(body=b"sound") if asked.target == f"/a?{SECRET}" else Reply(403)

    async with scripted_web(script) as web, storage_of(tmp_path) as storage:
        fetching = storage.for_fetch(Fetch(web.url(f"/a?{SECRET}#part"), (AUTHORIZATION,)))
        assert await read(fetching, web.url("/a")) == b"sound"
        # Neither for other URLs nor for those who come without.
        for one, target in ((fetching, "/b"), (storage, "/a")):
            failure = await failure_of(read(one, web.url(target)))
            assert failure.reason is Reason.FETCH_FAILED
            assert "authorization" not in web.asked[-1].headers


async def test_headers_come_with_each_part_of_a_resumed_fetch(tmp_path: Path) -> None:
    cuts = iter([300_000, None])
    async with (
        scripted_web(lambda asked: ranged(asked, BODY, V1, next(cuts))) as web,
        storage_of(tmp_path) as storage,
    ):
        assert await read(storage.for_fetch(Fetch(web.url(), (AUTHORIZATION,))), web.url()) == BODY
    assert [each.headers["authorization"] for each in web.asked] == ["Bearer s3cr3t"] * 2
    assert web.asked[1].headers["range"] == "bytes=300000-"


async def test_a_fetch_whose_whole_url_is_not_allowed_is_refused(tmp_path: Path) -> None:
    async with storage_of(tmp_path) as storage:
        fetching = storage.for_fetch(Fetch("https://user:s3cr3t@example.org/a.wav"))
        with pytest.raises(PathNotAllowedError) as refused:
            await fetching.check_allowed("https://example.org/a.wav")
    assert "s3cr3t" not in str(refused.value)


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
        assert await storage.identity("https://Example.org:443/a?x#1") == "https://example.org/a?x"
        assert await storage.identity("https://example.org:x/") == "https://example.org:x/"


async def test_nothing_is_logged_of_a_url(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with scripted_web(lambda _: Reply(body=b"sound")) as web, storage_of(tmp_path) as storage:
        assert await read(storage, web.url(f"/a.wav?{SECRET}")) == b"sound"
    logging.getLogger("tests").info("something")
    assert "something" in caplog.text
    assert "s3cr3t" not in caplog.text
