"""This unit gives the answer of a model piece by piece, as it comes.

    ModelStream       `next` until it gives None, then `reply`; or `close` at any time
    note_response     a hook for the HTTP client that streams read through

Whoever reads slowly holds the provider back, and a closed stream leaves no connection behind.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterable, Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import LlmspellError
from ...limits import Meter
from ..tasks import ended
from .messages import Reply

if TYPE_CHECKING:
    from httpx2 import Response
    from pydantic_ai.messages import ModelMessage
    from pydantic_ai.models import ModelRequestParameters

    from .models import Models

T = TypeVar("T")

PIECES_AHEAD = 64
"""Pieces of a stream kept for a reader that is slower than the model."""

OPENED: ContextVar[list[Response] | None] = ContextVar("OPENED", default=None)
"""HTTP answers of the stream this task reads: not every SDK lets go of them in order."""


async def note_response(response: Response) -> None:
    """Remembers an HTTP answer for the stream that reads it."""
    if (opened := OPENED.get()) is not None:
        opened.append(response)


class ModelStream:
    """An answer that comes piece by piece. `reply` is there once `next` gave None.

    A task of its own reads the answer, since pydantic-ai wants its streams entered and left in
    one task. It reads no more than `PIECES_AHEAD` pieces ahead, and `close` ends it.

    """

    def __init__(
        self,
        models: Models,
        name: str,
        conversation: list[ModelMessage],
        settings: Any,
        meter: Meter,
        parameters: ModelRequestParameters | None = None,
    ) -> None:
        self.name = name
        self.reply: Reply | None = None
        self._models = models
        self._conversation = conversation
        self._settings = settings
        self._meter = meter
        self._parameters = parameters
        self._text_of = text_of if parameters is None else _answer_of
        self._pieces: list[str] = []
        self._arrived = asyncio.Event()
        self._wanted = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._error: Exception | None = None
        self._ended = False
        self._loaded = 0

    def load(self, size: int) -> None:
        """Counts bytes of images and files as memory of the run, until they are not needed."""
        self._meter.hold(size)
        self._loaded += size

    def _unload(self) -> None:
        self._conversation = []
        self._meter.hold(-self._loaded)
        self._loaded = 0

    async def next(self) -> str | None:
        """All text that has arrived since, waiting for at least some; None at the end."""
        if self._reader is None and not self._ended:
            self._models.streams.add(self)
            self._reader = asyncio.create_task(self._read(), name=f"stream of {self.name}")
        while not self._pieces and not self._ended:
            self._arrived.clear()
            await self._arrived.wait()
        if self._pieces:
            text = "".join(self._pieces)
            self._pieces.clear()
            self._wanted.set()
            return text
        if self._error is not None:
            raise self._error
        return None

    async def close(self) -> None:
        """Ends the answer where it is and closes its connection. Safe to repeat."""
        self._ended = True
        self._pieces.clear()
        self._error = None
        self._arrived.set()
        if self._reader is not None:
            await ended([self._reader])
        self._unload()

    async def _read(self) -> None:
        opened: list[Response] = []
        OPENED.set(opened)
        try:
            from pydantic_ai.direct import model_request_stream

            model = self._models.metered(self.name, self._meter)
            with self._models.carrying() as carry:
                carry(self._loaded)
                async with model_request_stream(
                    model,
                    self._conversation,
                    model_settings=self._settings,
                    model_request_parameters=self._parameters,
                ) as response:
                    await read_through(response, opened, self._text_of, self._keep)
                    finished = response.get()
            self.reply = self._models.reply(self.name, finished, self._conversation)
        except LlmspellError as error:
            self._error = error
        except Exception as error:  # noqa: BLE001 - `next` raises it
            self._error = self._models.failure(error, self.name, self._settings["timeout"])
            self._error.__cause__ = error
        finally:
            self._ended = True
            self._arrived.set()
            self._models.streams.discard(self)
            self._unload()

    async def _keep(self, piece: str) -> None:
        self._pieces.append(piece)
        self._arrived.set()
        while len(self._pieces) >= PIECES_AHEAD:
            self._wanted.clear()
            await self._wanted.wait()


async def read_through(
    response: AsyncIterable[Any],
    opened: list[Response],
    text_of: Callable[[Any], T],
    keep: Callable[[T], Awaitable[None]],
) -> None:
    """Reads a pydantic-ai stream to its end, and keeps what an event brings, if it brings any.

    opened: the HTTP answers it comes from. Cancelled, it leaves none of them open.
    """
    try:
        async for event in response:
            if text := text_of(event):
                await keep(text)
    except asyncio.CancelledError:
        # Half read, the nested generators of an SDK would be left to the garbage collector, which
        # closes them in any order and may lose the connection. Without one they end by themselves.
        for answer in opened:
            await answer.aclose()
        with suppress(Exception):
            async for _ in response:
                pass
        raise


def text_of(event: Any) -> str:
    """The text an event of a pydantic-ai stream brings; thoughts and tool calls bring none."""
    if event.event_kind == "part_start" and event.part.part_kind == "text":
        return str(event.part.content)
    if event.event_kind == "part_delta" and event.delta.part_delta_kind == "text":
        return str(event.delta.content_delta)
    return ""


def _answer_of(event: Any) -> str:
    """The same, of an answer that may come as the arguments of a tool call."""
    if event.event_kind == "part_start" and event.part.part_kind == "tool-call":
        return _arguments(event.part.args)
    if event.event_kind == "part_delta" and event.delta.part_delta_kind == "tool_call":
        return _arguments(event.delta.args_delta)
    return text_of(event)


def _arguments(args: Any) -> str:
    return args if isinstance(args, str) else json.dumps(args) if args else ""
