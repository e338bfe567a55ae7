"""This unit keeps conversations of scripts: what was said, and what is asked next.

    Chat              one conversation; `send`, `stream`, `clear`, `export`
    read_through      an answer told piece by piece to functions of the script

A chat asks nothing itself: it makes calls through the gate, as the script would. So a recording
has them, and a restored run builds the same conversation again from their answers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from ... import records
from ...errors import BadArgument, CapabilityError, HostFailure, NotFound
from ..errors import run
from .attachments import loaded
from .conversations import attached_bytes, settings_of
from .messages import ChatOptions, ContentPart, Message, ModelOptions, StreamHandlers

if TYPE_CHECKING:
    from ..context import Context

MAX_MESSAGES = 1000
MAX_TEXT = 3_000_000
"""Characters that are told with one message: more than models read, and all are told each time."""

SIZE = 1000
"""Bytes that a chat, and each of its messages, is counted as besides its text."""


class Chat:
    """A conversation with a model, which is told all that was said before.

    Messages count against the memory of the run. A message that is not answered is not kept.
    """

    def __init__(self, ctx: Context, options: ChatOptions) -> None:
        if not 2 <= options.max_messages <= MAX_MESSAGES:
            raise BadArgument(
                f"options.max_messages must be 2 to {MAX_MESSAGES}, got {options.max_messages}"
            )
        settings_of(options)
        self.messages: list[Message] = []
        self._meter = ctx.meter
        self._options = options
        self._busy = False
        ctx.meter.hold(SIZE)
        self._keep(options.messages)

    async def send(self, ctx: Context, content: str | list[ContentPart]) -> Any:
        """Says something and gives the answer, a Reply as plain data."""
        async with self._asked(ctx, content) as conversation:
            reply = await ctx.invoke("llm.generate_message", *conversation)
            self._answered(conversation[0][-1], reply)
        return reply

    async def stream(
        self, ctx: Context, content: str | list[ContentPart], handlers: StreamHandlers
    ) -> Any:
        """The same, told to the handlers while it comes."""
        async with self._asked(ctx, content) as conversation:
            stream = await ctx.invoke("llm.stream", *conversation)
            reply = await read_through(ctx, stream, handlers)
            if reply is not None:
                self._answered(conversation[0][-1], reply)
        return reply

    def clear(self) -> None:
        """Forgets what was said."""
        self._forget(len(self.messages))

    def export(self) -> ChatOptions:
        """All that makes this conversation again."""
        return replace(self._options, messages=list(self.messages))

    async def close(self) -> None:
        """Lets go of what was said: the script does not hold the chat any more."""
        self.clear()
        self._meter.hold(-SIZE)

    @asynccontextmanager
    async def _asked(
        self, ctx: Context, content: str | list[ContentPart]
    ) -> AsyncIterator[tuple[list[Message], ModelOptions]]:
        if self._busy:
            raise HostFailure(
                "this chat waits for an answer: send one message after the other", code="busy"
            )
        self._busy = True
        try:
            with ctx.services.models.carrying() as carry:
                said = await loaded(ctx, [Message("user", content)], carry)
            conversation = [*self.messages, *said]
            if sum(map(_text, conversation)) > MAX_TEXT:
                raise BadArgument(
                    f"the conversation is larger than {MAX_TEXT} characters: clear the chat, or "
                    "give it fewer max_messages"
                )
            given = {item.name: getattr(self._options, item.name) for item in fields(ModelOptions)}
            yield conversation, ModelOptions(**given)
        finally:
            self._busy = False

    def _answered(self, said: Message, reply: dict[str, Any]) -> None:
        self._keep([said, Message("assistant", reply["content"])])

    def _keep(self, messages: list[Message]) -> None:
        self._meter.hold(sum(map(_size, messages)))
        self.messages += messages
        self._forget(max(0, len(self.messages) - self._options.max_messages))
        while self.messages and self.messages[0].role == "assistant":
            self._forget(1)  # a conversation that begins with an answer is none

    def _forget(self, count: int) -> None:
        gone, self.messages = self.messages[:count], self.messages[count:]
        self._meter.hold(-sum(map(_size, gone)))


async def read_through(ctx: Context, stream: Any, handlers: StreamHandlers) -> Any:
    """Reads a stream to its end and tells the handlers. Gives the Reply as plain data.

    None when it failed and a handler took the error. However it ends, the stream is closed.
    """
    try:
        try:
            while (piece := await ctx.invoke("stream.next", stream)) is not None:
                if handlers.on_content is not None:
                    await run(handlers.on_content, piece)
            reply = await ctx.invoke("stream.reply", stream)
        except CapabilityError as error:
            failure = error
            if isinstance(error, NotFound) and error.capability == "stream.next":
                # A checkpoint has the first half of an answer, and no provider gives the second.
                failure = HostFailure(
                    "the answer broke off when the spell was restored: ask again",
                    code="interrupted",
                    retryable=True,
                )
            if handlers.on_error is None:
                raise failure from None
            await run(handlers.on_error, records.tell(failure))
            return None
    finally:
        with suppress(NotFound):
            await ctx.invoke("stream.close", stream)
    if handlers.on_complete is not None:
        await run(handlers.on_complete, reply)
    return reply


def _size(message: Message) -> int:
    parts = 1 if isinstance(message.content, str) else 1 + len(message.content)
    return SIZE * parts + _text(message) + attached_bytes([message])


def _text(message: Message) -> int:
    if isinstance(message.content, str):
        return len(message.content)
    return sum(len(part.text or "") for part in message.content)
