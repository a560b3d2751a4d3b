"""The storage behind `https://` URIs, for inputs alone.

A URL's query is often a signature, and so a secret: nothing that is said here holds one. Messages name a URL by
`shown_url`, errors of the libraries are told in our own words, and are raised without their cause.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from copy import copy
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, NoReturn, Self

import certifi
import httpx
from httpx_secure import SSRFProtectionError, httpx_ssrf_protection

from batchscribe_server.domain.access import Fetch
from batchscribe_server.domain.errors import JobFailure, PathNotAllowedError, Reason
from batchscribe_server.domain.party import NOBODY, Party
from batchscribe_server.domain.recognition import OnConflict
from batchscribe_server.domain.url import is_url, shown_url
from batchscribe_server.operations.storage import FoundObject, LocalInput, WrittenFile
from batchscribe_server.storage.url_fetch import Answer, TryAgainError, UrlFetch
from batchscribe_server.storage.url_rules import UrlOptions, private_words, refusal

if TYPE_CHECKING:
    from batchscribe_server.storage.fetched import FetchedFiles

MAX_REDIRECTS = 5
CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 60.0

_NO_SUCH_NAME = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})

_REDIRECTS = frozenset({301, 302, 303, 307, 308})

_WORDS: Sequence[tuple[type[httpx.TransportError], str]] = (
    (httpx.ConnectTimeout, f"no connection within {CONNECT_TIMEOUT_S:.0f} s"),
    (httpx.ConnectError, "the server cannot be reached"),
    (httpx.ReadTimeout, f"nothing came for {READ_TIMEOUT_S:.0f} s"),
    (httpx.TransportError, "the connection broke off"),
)


class UrlStorage:
    """Files on web servers, to be read only. To be used as a context, which holds the connections.

    Addresses that are not public are refused, unless the operator allows them, wherever a name or a redirect leads:
    each connection is made to an address that was checked.
    """

    def __init__(
        self,
        options: UrlOptions,
        fetched: FetchedFiles,
        *,
        max_size_bytes: int = 0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`max_size_bytes` is what an input may have at most, 0 for no limit: nothing larger is fetched."""
        self._options = options
        self._fetched = fetched
        self._max_size_bytes = max_size_bytes
        self._fetch = Fetch("")
        self._sleep = sleep
        self._clock = clock

    async def __aenter__(self) -> Self:
        # httpx logs every URL that it asks for, with its query.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        self._client = httpx.AsyncClient(
            verify=await asyncio.to_thread(_trusted),
            # Neither proxies nor passwords of this machine's user are for the clients of the service.
            trust_env=False,
            # Those of one job are no business of another.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            headers={"User-Agent": "batchscribe", "Accept-Encoding": "identity"},
            timeout=httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S, pool=None),
            # As many as there are running files, which are bounded elsewhere.
            limits=httpx.Limits(max_connections=None),
        )
        if not self._options.private_addresses:
            httpx_ssrf_protection(
                self._client,
                # Stricter than the library's own check, and knows the networks that are allowed.
                check_globally_reachable=False,
                custom_validator=lambda _host, address, _port: self._options.allows(str(address)),
                # Looked up for each connection: a server that moved would be out of reach for as long as it is kept.
                dns_cache_ttl=0,
            )
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._client.aclose()

    def for_fetch(self, fetch: Fetch) -> UrlStorage:
        """The same storage, in which `shown_url` of the URL stands for it, query and headers included.

        It shares this one's connections, and lasts as long. The headers go to the URL's origin (scheme, host and port)
        and to no other that it redirects to, nor to its own again once it was left.
        """
        storage = copy(self)
        storage._fetch = fetch
        return storage

    def store_of(self, uri: str) -> str:
        """The web server."""
        try:
            return str(_origin(httpx.URL(self._fetch.url if self._is_fetch(uri) else uri)))
        except httpx.InvalidURL:
            return ""

    async def check_allowed(self, uri: str) -> None:
        """Raises PathNotAllowedError for a URL that is malformed, or not allowed by what it says itself.

        Where its host's name leads is looked up when it is fetched.
        """
        self._allowed(uri)

    @asynccontextmanager
    async def open_input(self, uri: str, party: Party = NOBODY) -> AsyncIterator[LocalInput]:
        """The file, fetched. Its fingerprint is its size and its strong ETag, time of modification or SHA-256.

        Raises JobFailure FETCH_FAILED, MEDIA_TOO_LARGE, and INPUT_CHANGED for a file that is written to while it is
        fetched.
        """
        try:
            url = self._allowed(uri)
        except PathNotAllowedError as error:
            raise JobFailure(Reason.FETCH_FAILED, error.message) from None
        name = shown_url(uri)
        headers = dict(self._fetch.headers) if self._is_fetch(uri) else {}

        def get(conditions: Mapping[str, str]) -> AbstractAsyncContextManager[Answer]:
            return self._answer(name, url, headers, conditions)

        least = self._options.min_bytes_per_s
        fetch = UrlFetch(name, get, self._fetched, party, self._max_size_bytes, self._sleep, least, self._clock)
        async with fetch.opened() as opened:
            yield opened

    async def list_prefix(
        self,
        uri: str,
        include_globs: Sequence[str] = (),
        exclude_globs: Sequence[str] = (),
        after_cursor: str = "",
    ) -> AsyncIterator[Sequence[FoundObject]]:
        """There is no listing of a web server. Raises JobFailure SCAN_FAILED."""
        raise JobFailure(
            Reason.SCAN_FAILED, f"{shown_url(uri)}: a URL can't be listed; name its files one by one, in a manifest"
        )
        yield ()  # a listing that never begins is one all the same

    async def write_output(
        self, uri: str, data: bytes | Iterable[bytes], on_conflict: OnConflict = OnConflict.OVERWRITE
    ) -> WrittenFile:
        """Nothing is written to web servers. Raises JobFailure OUTPUT_FAILED."""
        _raise_read_only(uri)

    async def check_writable(self, uri: str) -> None:
        """Nothing is. Raises JobFailure OUTPUT_FAILED."""
        _raise_read_only(uri)

    async def identity(self, uri: str) -> str:
        """The URL in its usual spelling, without its fragment."""
        try:
            return str(httpx.URL(uri).copy_with(fragment=None))
        except httpx.InvalidURL:
            return uri

    async def exists(self, uri: str) -> bool:
        """Outputs are never there. Raises JobFailure OUTPUT_FAILED."""
        _raise_read_only(uri)

    async def remove(self, uri: str) -> bool:
        """Nothing is removed from web servers. Raises JobFailure OUTPUT_FAILED."""
        _raise_read_only(uri)

    def _is_fetch(self, uri: str) -> bool:
        return bool(self._fetch.url) and uri == shown_url(self._fetch.url)

    def _allowed(self, uri: str) -> httpx.URL:
        try:
            url = httpx.URL(self._fetch.url if self._is_fetch(uri) else uri).copy_with(fragment=None)
        except httpx.InvalidURL:
            url = httpx.URL()
        if not is_url(url.scheme + ":") or not url.host:
            # Not repeated, since nobody knows what its parts are: what is no port may be a password.
            raise PathNotAllowedError("this is not the URL of a file: write https://host/path")
        if problem := self._problem(url):
            raise PathNotAllowedError(f"{shown_url(uri)} {problem}", uri=shown_url(uri))
        return url

    def _problem(self, url: httpx.URL) -> str:
        """Why a URL may not be fetched, to be put after its name; empty for one that may."""
        if url.scheme not in ("https", "http") or not url.host:
            return "is not the URL of a file"
        if url.userinfo:
            return "is malformed: a user's name and password don't belong in a URL, which is shown to others"
        if "\0" in url.path:
            return "is malformed: it holds a zero byte"
        return refusal(self._options, url.scheme, _host(url))

    @asynccontextmanager
    async def _answer(
        self, name: str, url: httpx.URL, own_headers: Mapping[str, str], conditions: Mapping[str, str]
    ) -> AsyncIterator[Answer]:
        """The answer to one GET, redirects followed; its body is read while the context lasts."""
        own = _origin(url)
        answered: list[int] = []
        # For all redirects, and all of their headers: a timeout of httpx begins anew with each byte.
        end_s = asyncio.get_running_loop().time() + CONNECT_TIMEOUT_S + READ_TIMEOUT_S
        with _told(name, answered):
            for _ in range(MAX_REDIRECTS + 1):
                await self._check_address(name, url)
                if _origin(url) != own:
                    own_headers = {}
                headers = httpx.Headers(own_headers)
                headers.update({"Accept-Encoding": "identity", **conditions})
                request = self._client.build_request("GET", url, headers=headers)
                try:
                    async with asyncio.timeout_at(end_s):
                        response = await self._client.send(request, stream=True, auth=None, follow_redirects=False)
                except TimeoutError:
                    raise TryAgainError("its answer did not begin in time", is_away=True) from None
                answered.append(response.status_code)
                try:
                    location = response.headers.get("location", "")
                    if response.status_code not in _REDIRECTS or not location:
                        lower_case = {key.lower(): value for key, value in response.headers.items()}
                        yield Answer(response.status_code, lower_case, response.aiter_raw())
                        return
                    url = self._redirected(name, url, location)
                finally:
                    await response.aclose()
            raise JobFailure(Reason.FETCH_FAILED, f"{name} redirects more than {MAX_REDIRECTS} times")

    def _redirected(self, name: str, url: httpx.URL, location: str) -> httpx.URL:
        try:
            target = url.join(location).copy_with(fragment=None)
        except httpx.InvalidURL:
            raise JobFailure(Reason.FETCH_FAILED, f"{name} redirects to something that is no URL") from None
        if problem := self._problem(target):
            raise JobFailure(Reason.FETCH_FAILED, f"{name} redirects to {shown_url(str(target))}, which {problem}")
        return target

    async def _check_address(self, name: str, url: httpx.URL) -> None:
        """Look where a host's name leads before anything is sent there.

        The connection is checked as well, by its own address. But for a name that is found out by connecting to it,
        so that without this a client could learn which ports of private machines are open.
        """
        if self._options.private_addresses:
            return
        host = _host(url)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                found = await asyncio.get_running_loop().getaddrinfo(host, url.port or 0)
        except (OSError, UnicodeError) as error:  # TimeoutError is an OSError
            # That there is no such name is an answer; that nobody could be asked is none.
            is_away = not (isinstance(error, UnicodeError) or getattr(error, "errno", None) in _NO_SUCH_NAME)
            raise TryAgainError(f"no address of {host} was found", is_away=is_away) from None
        if not all(self._options.allows(str(address[0])) for *_, address in found):
            raise JobFailure(Reason.FETCH_FAILED, f"{name} {private_words(host)}")


def _trusted() -> ssl.SSLContext:
    """Whom to trust: the machine's own authorities, where it has any, and the web's."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _host(url: httpx.URL) -> str:
    return url.raw_host.decode("ascii")


def _origin(url: httpx.URL) -> tuple[str, bytes, int | None]:
    return url.scheme, url.raw_host, url.port


def _raise_read_only(uri: str) -> NoReturn:
    raise JobFailure(
        Reason.OUTPUT_FAILED, f"{shown_url(uri)}: a URL can only be read; name a file:// or s3:// URI for outputs"
    )


@contextmanager
def _told(name: str, answered: Sequence[int]) -> Iterator[None]:
    """Turn errors of the connection into TryAgainErrors, and what no other attempt would mend into JobFailures.

    A server that has `answered`, and breaks off what it sends, is not away.
    """
    try:
        yield
    except SSRFProtectionError as error:
        raise JobFailure(Reason.FETCH_FAILED, f"{name} {private_words(error.hostname)}") from None
    except httpx.TransportError as error:
        if isinstance(error.__context__, httpx.InvalidURL):  # httpx reads a redirect's target though it isn't to follow
            raise JobFailure(Reason.FETCH_FAILED, f"{name} redirects to something that is no URL") from None
        if problem := _tls_problem(error):
            raise JobFailure(Reason.FETCH_FAILED, f"{name}: no safe connection: {problem}") from None
        if not answered and _is_no_http(error):
            raise JobFailure(Reason.FETCH_FAILED, f"{name}: the server does not answer as HTTP says") from None
        words = next(words for kind, words in _WORDS if isinstance(error, kind))
        raise TryAgainError(words, is_away=not answered) from None
    except httpx.HTTPError as error:
        raise JobFailure(Reason.FETCH_FAILED, f"{name} could not be fetched ({type(error).__name__})") from None


def _is_no_http(error: httpx.TransportError) -> bool:
    """Whether what came is at fault, of which the parser below httpx and httpcore speaks, and not that nothing came."""
    below = error.__cause__
    return isinstance(error, httpx.RemoteProtocolError) and below is not None and below.__context__ is not None


def _tls_problem(error: httpx.TransportError) -> str:
    """What was wrong with the server's certificate, or with its TLS; empty for other errors, and for a cut."""
    cause: BaseException | None = error if isinstance(error, httpx.ConnectError) else None
    while cause is not None:
        if isinstance(cause, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
            return ""
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the server's certificate was not accepted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return f"the server does not speak TLS as it should ({cause.reason or 'unknown'})"
        cause = cause.__cause__ or cause.__context__
    return ""
