"""This unit makes a model of a pool. Importing it imports pydantic-ai."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from pydantic_ai.direct import model_request
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    ToolCallPart,
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

from ...errors import HostFailure, LlmspellError, ProviderFailure
from ..llm.charges import size_of
from ..llm.providers import ANSWERED_BY
from . import agreement
from .pools import Member, Pool, Sent, clock

if TYPE_CHECKING:
    from ...limits import Meter
    from ..llm.models import Models

JUDGED = 20_000
"""Characters of each answer that a judge reads."""


class PooledModel(WrapperModel):
    """A pool as one model. Every request to a member is charged to the run, as if it was alone.

    What is asked of it before a request, such as what it supports, the first member answers.
    """

    def __init__(self, pool: Pool, models: Models, meter: Meter) -> None:
        self.pool = pool
        self.models = models
        self.meter = meter
        super().__init__(self._first())

    def _first(self) -> Model[Any]:
        problem: ProviderFailure | None = None
        for member in self.pool.members:
            try:
                return self._model(member.name)
            except ProviderFailure as error:  # such as a key that is missing: others may have one
                problem = problem or error
        raise problem or AssertionError("a pool has members")

    def _model(self, name: str) -> Model[Any]:
        return self.models.metered(name, self.meter)

    def prepare_request(
        self, model_settings: ModelSettings | None, model_request_parameters: ModelRequestParameters
    ) -> tuple[ModelSettings | None, ModelRequestParameters]:
        """Nothing: each member does it for itself."""
        return model_settings, model_request_parameters

    def prepare_messages(
        self,
        messages: list[ModelMessage],
        model_request_parameters: ModelRequestParameters | None = None,
    ) -> list[ModelMessage]:
        """Nothing: each member does it for itself."""
        return messages

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """The answer of the member, or members, that the strategy asks."""
        tokens = size_of(messages)

        async def send(member: Member) -> ModelResponse:
            try:
                model = self._model(member.name)
                sent = model.prepare_messages(messages, model_request_parameters)
                response = await model.request(sent, model_settings, model_request_parameters)
                self.models.check_readable(member.name, response)
            except LlmspellError:
                raise
            except Exception as error:
                raise self.models.failure(error, member.name) from error
            return await self._answered(member, response, tokens)

        if self.pool.strategy == "consensus":
            return await self._agreed(await self.pool.several(send, tokens), messages)
        if self.pool.strategy == "fastest":
            return await self.pool.first(send, tokens)
        return await self.pool.one(send, tokens)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: Any = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """The same as a stream, which comes in one piece where the whole answers are compared."""
        if self.pool.strategy in ("consensus", "fastest"):
            response = await self.request(messages, model_settings, model_request_parameters)
            yield CompletedStreamedResponse(
                response, model_request_parameters=model_request_parameters, replay_events=True
            )
            return
        tokens = size_of(messages)

        async def send(member: Member) -> tuple[Member, AsyncExitStack, StreamedResponse]:
            try:
                model = self._model(member.name)
                sent = model.prepare_messages(messages, model_request_parameters)
                opening = model.request_stream(
                    sent, model_settings, model_request_parameters, run_context
                )
                stack, stream, begun = await _opened(opening)
                if not begun:
                    async with stack:
                        self.models.check_readable(member.name, stream.get())
                return member, stack, stream
            except LlmspellError:
                raise
            except Exception as error:
                raise self.models.failure(error, member.name) from error

        member, stack, stream = await self.pool.one(send, tokens)
        stream.metadata = {**(stream.metadata or {}), ANSWERED_BY: member.name}
        async with stack:
            try:
                yield stream
            finally:
                await self._answered(member, stream.get(), tokens)

    async def _answered(
        self, member: Member, response: ModelResponse, tokens: int
    ) -> ModelResponse:
        """Counts what a member used, and notes on its answer that it is from there."""
        used = self.models.used(member.name, response, tokens)
        member.tally.add(used)
        more = used.input_tokens + used.output_tokens - tokens
        member.rate.take(more, await clock(), requests=0)
        response.metadata = {**(response.metadata or {}), ANSWERED_BY: member.name}
        return response

    async def _agreed(self, sent: list[Sent], messages: list[ModelMessage]) -> ModelResponse:
        """The answer that the members agree on. Raises HostFailure when they do not."""
        options = self.pool.options
        answers = [_told(item.result) for item in sent]
        if options.agreement == "majority":
            index = agreement.majority(answers)
        elif options.agreement == "similarity":
            index = agreement.similar(answers, options.threshold)
        else:
            asked = agreement.question(_asked(messages), [text[:JUDGED] for text in answers])
            judge = self._model(options.judge or "")
            reply = await model_request(judge, [ModelRequest.user_text_prompt(asked)])
            index = agreement.chosen(reply.text or "", len(answers))
        if index is None:
            failure = HostFailure(
                f"{self.pool.name}: the {len(answers)} answers do not agree", code="no_consensus"
            )
            told = {item.member.name: text[:200] for item, text in zip(sent, answers, strict=True)}
            failure.details = {"context": {"answers": told}}
            raise failure
        response: ModelResponse = sent[index].result
        return response


async def _opened(opening: Any) -> tuple[AsyncExitStack, StreamedResponse, bool]:
    """A stream that has brought its first event, which whoever reads it gets too.

    The last tells whether there is any.
    """
    stack = AsyncExitStack()
    try:
        stream: StreamedResponse = await stack.enter_async_context(opening)
        events = aiter(stream)
        first = [event] if (event := await anext(events, None)) is not None else []
    except BaseException as error:
        await stack.__aexit__(type(error), error, error.__traceback__)
        raise
    # Where a StreamedResponse keeps what it hands out; pydantic-ai's own fallback does the same.
    stream._event_iterator = _chained(first, events)
    return stack, stream, bool(first)


async def _chained(first: list[Any], rest: Any) -> AsyncGenerator[Any]:
    for event in first:
        yield event
    async for event in rest:
        yield event


def _told(response: ModelResponse) -> str:
    """What an answer comes to: its text, or the tools it wants to be called."""
    calls = [part for part in response.parts if isinstance(part, ToolCallPart)]
    told = sorted(json.dumps([c.tool_name, c.args_as_dict()], sort_keys=True) for c in calls)
    return "\n".join([response.text or "", *told]).strip()


def _asked(messages: list[ModelMessage]) -> str:
    """The last that the user has said."""
    for message in reversed(messages):
        for part in reversed(message.parts):
            if isinstance(part, UserPromptPart) and isinstance(part.content, str):
                return part.content[:JUDGED]
    return ""
