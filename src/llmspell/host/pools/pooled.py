"""This unit makes a model of a pool. Importing it imports pydantic-ai."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

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
from .readings import Reading

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
            return await self._sent(member, messages, model_settings, model_request_parameters)

        if self.pool.strategy == "consensus":
            return await self._agreed(await self.pool.several(send, tokens), messages)
        if self.pool.strategy == "fastest":
            return await self.pool.first(send, tokens)
        return await self.pool.one(send, tokens)

    async def _sent(
        self,
        member: Member,
        messages: list[ModelMessage],
        settings: ModelSettings | None,
        parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """One answer of one member. Raises ProviderFailure."""
        try:
            model = self._model(member.name)
            sent = model.prepare_messages(messages, parameters)
            response = await model.request(sent, settings, parameters)
            self.models.check_readable(member.name, response)
        except LlmspellError:
            raise
        except Exception as error:
            raise self.models.failure(error, member.name) from error
        return await self._answered(member, response, size_of(messages))

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: Any = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """The same as a stream, which comes in one piece where whole answers are compared."""
        if self.pool.strategy == "consensus":
            response = await self.request(messages, model_settings, model_request_parameters)
            yield CompletedStreamedResponse(
                response, model_request_parameters=model_request_parameters, replay_events=True
            )
            return
        tokens = size_of(messages)
        readings: list[Reading] = []

        async def send(member: Member) -> tuple[Member, Reading]:
            reading: Reading | None = None
            try:
                model = self._model(member.name)
                sent = model.prepare_messages(messages, model_request_parameters)
                reading = Reading(
                    model.request_stream(
                        sent, model_settings, model_request_parameters, run_context
                    )
                )
                readings.append(reading)
                if not await reading.begun():
                    self.models.check_readable(member.name, reading.stream.get())
                return member, reading
            except BaseException as error:
                if reading is not None:
                    await reading.close()
                if isinstance(error, LlmspellError) or not isinstance(error, Exception):
                    raise
                raise self.models.failure(error, member.name) from error

        try:
            choose = self.pool.first if self.pool.strategy == "fastest" else self.pool.one
            member, reading = await choose(send, tokens)
            await _closed(other for other in readings if other is not reading)
            stream = reading.passed_on()
            stream.metadata = {**(stream.metadata or {}), ANSWERED_BY: member.name}
            try:
                with member.answering():
                    yield stream
            finally:
                await reading.close()
                await self._answered(member, stream.get(), tokens)
                if reading.error is not None:
                    member.tally.fail(self.models.failure(reading.error, member.name).code)
        finally:
            await _closed(readings)

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
            index = agreement.chosen(await self._judged(asked), len(answers))
        if index is None:
            failure = HostFailure(
                f"{self.pool.name}: the {len(answers)} answers do not agree", code="no_consensus"
            )
            told = {item.member.name: text[:200] for item, text in zip(sent, answers, strict=True)}
            failure.details = {"context": {"answers": told}}
            raise failure
        response: ModelResponse = sent[index].result
        return response

    async def _judged(self, asked: str) -> str:
        judge = self.pool.judge
        assert judge, "who agrees by a judge has one"
        question: list[ModelMessage] = [ModelRequest.user_text_prompt(asked)]

        async def send(member: Member) -> ModelResponse:
            return await self._sent(member, question, None, ModelRequestParameters())

        return (await judge.ask(send, size_of(question))).text or ""


async def _closed(readings: Iterable[Reading]) -> None:
    await asyncio.gather(*(reading.close() for reading in readings))


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
