"""This unit tells the texts of a model as they come. Importing it imports pydantic-ai.

pydantic-ai can stream an agent's answers itself, but leaves tasks behind when it is cancelled
while such a stream begins; here a request is one task's work from beginning to end.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

from .streams import OPENED, read_through, text_of

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
                await read_through(response, opened, text_of, self.tell)
                return response.get()
        finally:
            OPENED.reset(token)
