"""This unit tells the texts of a model as they come. Importing it imports pydantic-ai.

pydantic-ai can stream an agent's answers itself, but leaves tasks behind when it is cancelled
while such a stream begins; here a request is one task's work from beginning to end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

from .streams import OPENED, text_of

if TYPE_CHECKING:
    from httpx2 import Response


class ToldModel(WrapperModel):
    """A model that is asked for whole answers, and tells each piece of text when it comes."""

    def __init__(self, wrapped: Model[Any], tell: Callable[[str], Awaitable[None]]) -> None:
        super().__init__(wrapped)
        self.tell = tell

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        opened: list[Response] = []
        token = OPENED.set(opened)
        try:
            async with self.wrapped.request_stream(
                messages, model_settings, model_request_parameters
            ) as response:
                try:
                    async for event in response:
                        if text := text_of(event):
                            await self.tell(text)
                except asyncio.CancelledError:
                    # Without a connection, the generators of an SDK end by themselves.
                    for answer in opened:
                        await answer.aclose()
                    with suppress(Exception):
                        async for _ in response:
                            pass
                    raise
                return response.get()
        finally:
            OPENED.reset(token)
