"""A language model's endpoint that answers as a test wants, and notes what it was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.store_proxy import served

API_KEY = "sk-scripted-0123456789"


@dataclass(frozen=True)
class Answer:
    """What a request is answered with: `content` is the message's, as text or as what is written as JSON."""

    content: object = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    finish_reason: str = "stop"
    body: bytes | None = None


@dataclass
class ScriptedModel:
    """The endpoint. `answers` go to the next requests in turn, `otherwise` to those after; None never answers."""

    url: str = ""
    answers: list[Answer | None] = field(default_factory=list)
    otherwise: Callable[[str], Answer] = lambda _: Answer({})
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    was_asked: asyncio.Event = field(default_factory=asyncio.Event)
    at_once: int = 0
    most_at_once: int = 0

    @property
    def texts(self) -> Sequence[str]:
        """What the requests asked about."""
        return [question["messages"][1]["content"] for question in self.asked]

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a chat completion."""
        question = json.loads(await request.text())
        self.asked.append(question)
        self.keys.append(request.headers.get("Authorization", ""))
        self.was_asked.set()
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(0)
            answer = self.answers.pop(0) if self.answers else self.otherwise(self.texts[-1])
            if answer is None:
                await asyncio.Event().wait()
            assert answer is not None
        finally:
            self.at_once -= 1
        if answer.body is not None:
            return web.Response(body=answer.body, status=answer.status, headers=answer.headers)
        content = answer.content if isinstance(answer.content, str) else json.dumps(answer.content)
        message = {"role": "assistant", "content": content}
        completion = {"choices": [{"index": 0, "message": message, "finish_reason": answer.finish_reason}]}
        return web.json_response(completion, status=answer.status, headers=answer.headers)


@asynccontextmanager
async def scripted_model() -> AsyncIterator[ScriptedModel]:
    """Such an endpoint, for as long as the context lasts."""
    model = ScriptedModel()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/v1/chat/completions", model.handle)
    async with served(app) as url:
        model.url = f"{url}/v1"
        yield model
