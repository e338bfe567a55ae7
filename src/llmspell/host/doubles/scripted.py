"""This unit makes a model of a test double. Importing it imports pydantic-ai."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, cast

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    ModelResponseStreamEvent,
    TextPart,
    ToolCallPart,
)
from pydantic_ai.models import ModelRequestParameters, StreamedResponse
from pydantic_ai.models.function import (
    AgentInfo,
    BuiltinToolCallsReturns,
    DeltaThinkingCalls,
    DeltaToolCall,
    DeltaToolCalls,
    FunctionModel,
    FunctionStreamedResponse,
)
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from ..llm.charges import size_of, tokens_in
from .doubles import Answer, Double, Question

Piece = str | DeltaToolCalls | DeltaThinkingCalls | BuiltinToolCallsReturns


class _ReportedResponse(FunctionStreamedResponse):
    """An answer in pieces; the last is no piece but what it took, as providers report it."""

    def _map_item(self, item: Piece) -> Iterator[ModelResponseStreamEvent]:
        if isinstance(item, RequestUsage):
            self._usage = item
            self.finish_reason = "stop"
            return
        yield from super()._map_item(item)


class ScriptedModel(FunctionModel):
    """The model that answers as a double says."""

    def __init__(self, double: Double, name: str) -> None:
        self.double = double
        self.name = name
        super().__init__(self._whole, stream_function=self._pieces, model_name=name)

    async def _whole(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        answer = await self._answer(messages, info)
        parts: list[TextPart | ToolCallPart] = []
        text, calls = _form(answer, info)
        if text or not calls:
            parts.append(TextPart(text))
        parts += [ToolCallPart(name, args) for name, args in calls]
        usage = _usage(answer, text, messages)
        return ModelResponse(parts, usage=usage, model_name=self.name, finish_reason="stop")

    async def _pieces(self, messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[Piece]:
        answer = await self._answer(messages, info)
        text, calls = _form(answer, info)
        for number, word in enumerate(re.findall(r"\s*\S+\s*$|\s*\S+|\s+$", text) or [""]):
            if number:
                await asyncio.sleep(self.double.options.chunk_delay)
            if word or not calls:
                yield word
        for index, (name, args) in enumerate(calls):
            yield {index: DeltaToolCall(name, json.dumps(args), tool_call_id=f"call-{index}")}
        yield cast("Piece", _usage(answer, text, messages))

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: Any = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """The answer in pieces, with the report of its tokens at the end."""
        whole = super().request_stream(
            messages, model_settings, model_request_parameters, run_context
        )
        async with whole as response:
            assert isinstance(response, FunctionStreamedResponse)
            yield _ReportedResponse(
                response.model_request_parameters,
                _model_name=response._model_name,
                _iter=response._iter,
            )

    async def _answer(self, messages: list[ModelMessage], info: AgentInfo) -> Answer:
        answer = await self.double.answer(self.name, self._question(messages, info))
        latency = self.double.options.latency if answer.latency is None else answer.latency
        await asyncio.sleep(latency)  # also one of 0: others have a turn
        answer.fail(self.name)
        return answer

    def _question(self, messages: list[ModelMessage], info: AgentInfo) -> Question:
        told, system = [], [info.instructions] if info.instructions else []
        for message in messages:
            for part in message.parts:
                text = _text(part)
                if isinstance(message, ModelRequest) and part.part_kind == "system-prompt":
                    system.append(text)
                elif text:
                    role = _ROLES.get(part.part_kind, "assistant")
                    told.append({"role": role, "content": text})
        asked = [message["content"] for message in told if message["role"] == "user"]
        tools = [tool.name for tool in info.function_tools]
        prompt = asked[-1] if asked else ""
        return Question(prompt, "\n".join(system), told, tools, self.double.asked + 1)


def _usage(answer: Answer, text: str, messages: list[ModelMessage]) -> RequestUsage:
    """What an answer says it took, or a guess."""
    sent, received = answer.input_tokens, answer.output_tokens
    return RequestUsage(
        input_tokens=size_of(messages) if sent is None else sent,
        output_tokens=tokens_in(text) if received is None else received,
    )


_ROLES = {"user-prompt": "user", "tool-return": "tool", "retry-prompt": "tool"}


def _text(part: Any) -> str:
    """What a part of a message says."""
    if part.part_kind == "tool-return":
        return str(part.model_response_str())
    content = getattr(part, "content", None)
    if isinstance(content, list | tuple):
        return " ".join(item for item in content if isinstance(item, str))
    return content if isinstance(content, str) else ""


def _form(answer: Answer, info: AgentInfo) -> tuple[str, list[tuple[str, dict[str, Any]]]]:
    """Text and tool calls of an answer; data comes in the form that was asked for."""
    calls = [(call.name, call.args) for call in answer.tool_calls]
    text = answer.text or ""
    if answer.data is not None:
        if info.output_tools and isinstance(answer.data, dict):
            calls.append((info.output_tools[0].name, answer.data))
        else:
            text = json.dumps(answer.data)
    return text, calls
