"""An endpoint that speaks OpenAI's chat completions, asked for JSON: vLLM, llama.cpp, Ollama and hosted ones do.

Neither the key nor anything that was said is ever logged, or part of an error.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Self

import httpx
import msgspec

from batchscribe_server.analysis.language_model import Answer, LanguageModelError

MAX_ANSWER_BYTES = 4 * 1024 * 1024
MAX_PAUSE_S = 30.0
_FIRST_PAUSE_S = 1.0
_CONNECT_TIMEOUT_S = 10.0


class _PassingError(Exception):
    """This attempt failed and the next one may not. `pause_s` is what the endpoint asks to wait, None for nothing."""

    def __init__(self, message: str, pause_s: float | None = None) -> None:
        super().__init__(message)
        self.pause_s = pause_s


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """Where the endpoint is and how it is asked. `base_url` is that below which `/chat/completions` lies.

    `timeout_s` is of one attempt, `max_tokens` of one answer; of `max_requests` all jobs together have no more at once.
    """

    base_url: str
    model: str
    api_key: str = field(default="", repr=False)
    timeout_s: float = 120.0
    max_tokens: int = 2048
    max_requests: int = 2
    attempts: int = 4


class _Message(msgspec.Struct):
    content: str


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]


class ChatEndpoint:
    """Asks, and asks again what failed in passing. To be used as a context, which holds the connections."""

    def __init__(
        self,
        options: ChatOptions,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._options = options
        self._sleep = sleep
        self._jitter = jitter
        self._turns = asyncio.Semaphore(options.max_requests)

    async def __aenter__(self) -> Self:
        options = self._options
        headers = {"Accept": "application/json"}
        if options.api_key:
            headers["Authorization"] = f"Bearer {options.api_key}"
        timeout = httpx.Timeout(options.timeout_s, connect=min(options.timeout_s, _CONNECT_TIMEOUT_S))
        # Proxies and keys of the environment are not its operator's word on this endpoint.
        self._http = await asyncio.to_thread(
            httpx.AsyncClient, headers=headers, timeout=timeout, trust_env=False, follow_redirects=False
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._http.aclose()

    async def ask(self, instructions: str, text: str, shape: type[Answer]) -> Answer:
        """The model's answer to `text`, as JSON of that shape. Raises LanguageModelError."""
        for failures in range(1, self._options.attempts + 1):
            try:
                async with self._turns, asyncio.timeout(self._options.timeout_s):
                    return _answer(await self._post(instructions, text), shape)
            except (_PassingError, TimeoutError, httpx.HTTPError) as error:
                if failures == self._options.attempts:
                    raise LanguageModelError(f"{_told(error)}, {failures} times in a row") from None
                await self._sleep(self._pause_s(failures, error))
        raise AssertionError("there is one attempt at least")

    async def _post(self, instructions: str, text: str) -> bytes:
        options = self._options
        question = {
            "model": options.model,
            "messages": [{"role": "system", "content": instructions}, {"role": "user", "content": text}],
            "temperature": 0,
            "max_tokens": options.max_tokens,
            "response_format": {"type": "json_object"},
        }
        url = f"{options.base_url.rstrip('/')}/chat/completions"
        async with self._http.stream("POST", url, json=question) as response:
            status = response.status_code
            if status == httpx.codes.TOO_MANY_REQUESTS or status >= httpx.codes.INTERNAL_SERVER_ERROR:
                raise _PassingError(f"it answered {status}", _asked_pause_s(response))
            if status != httpx.codes.OK:
                raise LanguageModelError(f"it answered {status}")
            content = bytearray()
            async for piece in response.aiter_bytes():
                content += piece
                if len(content) > MAX_ANSWER_BYTES:
                    raise LanguageModelError("its answer is too large")
        return bytes(content)

    def _pause_s(self, failures: int, error: Exception) -> float:
        if isinstance(error, _PassingError) and error.pause_s is not None:
            return min(error.pause_s, MAX_PAUSE_S)
        return min(_FIRST_PAUSE_S * 2.0 ** (failures - 1), MAX_PAUSE_S) * (0.5 + self._jitter() / 2)


def _answer(content: bytes, shape: type[Answer]) -> Answer:
    try:
        completion = msgspec.json.decode(content, type=_Completion)
    except msgspec.MsgspecError:
        raise _PassingError("its answer is no chat completion") from None
    if not completion.choices:
        raise _PassingError("its answer is empty")
    choice = completion.choices[0]
    if choice.finish_reason == "length":
        raise LanguageModelError("its answer is longer than max_tokens allows")
    try:
        return msgspec.json.decode(choice.message.content, type=shape)
    except msgspec.MsgspecError:
        raise _PassingError("its answer is not the JSON that was asked for") from None


def _asked_pause_s(response: httpx.Response) -> float | None:
    """Retry-After, as far as it is in seconds."""
    value = response.headers.get("Retry-After", "").strip()
    return float(value) if value.isascii() and value.isdigit() else None


def _told(error: Exception) -> str:
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return "it did not answer in time"
    return str(error) if isinstance(error, _PassingError) else f"it cannot be reached ({type(error).__name__})"
