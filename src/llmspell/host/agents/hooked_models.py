"""This unit puts hooks around a pydantic-ai model. Importing it imports pydantic-ai.

A hook sees a conversation as plain messages, a text each; what it gives is put back into the parts
those texts came from, so that tool calls, pictures and the like stay as they are.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    RetryPromptPart,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import (
    CompletedStreamedResponse,
    Model,
    ModelRequestParameters,
    StreamedResponse,
)
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

from ...errors import BadArgument
from ..llm.conversations import unfit
from .hooks import GenerateAnswer, GenerateRequest, Hook, HookMessage, Hooks

SETTINGS = {
    "temperature": "temperature",
    "max_tokens": "max_tokens",
    "top_p": "top_p",
    "seed": "seed",
    "stop": "stop_sequences",
}


class HookedModel(WrapperModel):
    """A model whose requests and answers pass the hooks of a run."""

    def __init__(self, wrapped: Model[Any], hooks: Hooks, name: str, agent: str | None) -> None:
        super().__init__(wrapped)
        self.hooks, self.name, self.agent = hooks, name, agent

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        messages, settings = await self._before(messages, model_settings)
        response = await super().request(messages, settings, model_request_parameters)
        return await self._after(response)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: Any = None,
    ) -> AsyncGenerator[StreamedResponse]:
        if self.hooks.at("after_generate"):
            # What a hook may change cannot be told before it is whole.
            whole = await self.request(messages, model_settings, model_request_parameters)
            yield CompletedStreamedResponse(
                whole, model_request_parameters=model_request_parameters, replay_events=True
            )
            return
        messages, settings = await self._before(messages, model_settings)
        async with super().request_stream(
            messages, settings, model_request_parameters, run_context
        ) as response:
            yield response

    async def _before(
        self, messages: list[ModelMessage], model_settings: ModelSettings | None
    ) -> tuple[list[ModelMessage], ModelSettings | None]:
        settings: Any = model_settings
        for hook in self.hooks.at("before_generate"):
            texts = _Texts(messages)
            known = {ours: (settings or {}).get(theirs) for ours, theirs in SETTINGS.items()}
            told = GenerateRequest(self.name, self.agent, texts.shown, **known)
            given = await self.hooks.ask(hook, "before_generate", told)
            if given is None:
                continue
            if misfit := unfit(given):
                raise BadArgument(f"before_generate of the hook {hook.id}: its result.{misfit}")
            wanted = {theirs: getattr(given, ours) for ours, theirs in SETTINGS.items()}
            changes = {name: value for name, value in wanted.items() if value is not None}
            settings = {**(settings or {}), **changes} if changes else settings
            if given.messages is not None:
                messages = texts.changed(given.messages, hook)
        return messages, settings

    async def _after(self, response: ModelResponse) -> ModelResponse:
        for hook in self.hooks.at("after_generate"):
            wanted = [part.tool_name for part in response.parts if isinstance(part, ToolCallPart)]
            told = GenerateAnswer(response.text or "", self.name, self.agent, wanted)
            given = await self.hooks.ask(hook, "after_generate", told)
            if given is not None and given.content not in (None, told.content):
                response = replace(response, parts=_with_content(response.parts, given.content))
        return response


class _Texts:
    """The texts of a conversation, and where each stands in it."""

    def __init__(self, messages: Sequence[ModelMessage]) -> None:
        self._messages = list(messages)
        self._places: list[tuple[int, int]] = []
        self.shown: list[HookMessage] = []
        for i, message in enumerate(messages):
            instructions = getattr(message, "instructions", None)
            # Those of earlier requests are not sent again.
            if instructions and i == len(messages) - 1:
                self._places.append((i, -1))
                self.shown.append(HookMessage("system", instructions))
            for j, part in enumerate(message.parts):
                role, text = _read(part)
                if role:
                    self._places.append((i, j))
                    self.shown.append(HookMessage(role, text))

    def changed(self, wanted: list[HookMessage], hook: Hook) -> list[ModelMessage]:
        """The conversation with other texts, and what was added."""
        where = f"before_generate of the hook {hook.id}: its result.messages"
        if len(wanted) < len(self.shown):
            raise BadArgument(
                f"{where} has {len(wanted)} messages of {len(self.shown)}: it may change and add "
                "messages, not take them away"
            )
        messages = self._messages
        for number, (message, was) in enumerate(zip(wanted, self.shown, strict=False)):
            if message.role != was.role:
                raise BadArgument(f"{where}[{number + 1}].role must stay {was.role}")
            if message.content != was.content:
                i, j = self._places[number]
                messages[i] = _with_text(messages[i], j, message.content)
        for number, message in enumerate(wanted[len(self.shown) :], len(self.shown) + 1):
            kinds = {"user": UserPromptPart, "system": SystemPromptPart}
            if message.role not in kinds or not isinstance(messages[-1], ModelRequest):
                raise BadArgument(f"{where}[{number}].role must be user or system")
            added = kinds[message.role](message.content)
            messages[-1] = replace(messages[-1], parts=[*messages[-1].parts, added])
        return messages


def _with_content(parts: Sequence[Any], text: str) -> list[Any]:
    """Parts of an answer with another text, where it was: thoughts stay first, calls last."""
    ends = (i for i, part in enumerate(parts) if isinstance(part, TextPart | ToolCallPart))
    place = next(ends, len(parts))
    others = [part for part in parts[place:] if not isinstance(part, TextPart)]
    return [*parts[:place], TextPart(text), *others]


def _read(part: Any) -> tuple[str, str]:
    """Who speaks in a part, and what it says; nothing for what is no text."""
    if isinstance(part, SystemPromptPart):
        return "system", part.content
    if isinstance(part, UserPromptPart):
        content = part.content
        if isinstance(content, str):
            return "user", content
        return "user", "\n".join(item for item in content if isinstance(item, str))
    if isinstance(part, TextPart):
        return "assistant", part.content
    if isinstance(part, ToolReturnPart):
        return "tool", part.model_response_str()
    if isinstance(part, RetryPromptPart) and isinstance(part.content, str):
        return "tool", part.content
    return "", ""


def _with_text(message: Any, place: int, text: str) -> Any:
    if place < 0:
        return replace(message, instructions=text)
    part = message.parts[place]
    content: Any = text
    if isinstance(part, UserPromptPart) and not isinstance(part.content, str):
        content = [text, *(item for item in part.content if not isinstance(item, str))]
    parts = list(message.parts)
    parts[place] = replace(part, content=content)
    return replace(message, parts=parts)
