"""This unit charges requests to models against the budget of a run.

    Charge              one request's share: reserved before it is sent, settled after it ended
    metered_model()     the class of pydantic-ai models that charge every request
    Used                tokens and dollars of a request
    size_of(messages)   a guess at the tokens of a conversation

A budget holds for requests in flight at once, and cancelling one is no way around it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from math import ceil
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import BadArgument, LlmspellError, ProviderFailure
from ...limits import Meter, Reservation
from .failures import is_provider_error
from .marks import MAX_STACKED, stacked

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage, ModelResponse
    from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
    from pydantic_ai.settings import ModelSettings

    from .models import Models

OUTPUT_GUESS = 1024
"""Tokens of an answer that are reserved when there is a budget and no max_tokens."""

PICTURE = 1600
"""Tokens that a picture is taken for: providers make it smaller until it has about as many."""


class Used(NamedTuple):
    """What a request used; `cost` is None when the price is unknown."""

    input_tokens: int
    output_tokens: int
    cost: float | None


class Charge:
    """One request's share of the budget, from before it is sent to after it has ended."""

    def __init__(
        self,
        models: Models,
        name: str,
        meter: Meter,
        sent: int,
        max_tokens: int | None,
        *,
        answered: bool = True,
    ) -> None:
        self.models = models
        self.name = name
        self.sent = sent
        self.cap: int | None = None
        room = meter.room()
        if room is not None or meter.priced:
            self.cap = OUTPUT_GUESS if room is None else max(1, min(OUTPUT_GUESS, room - sent))
        # Below 0 it would free what other requests have reserved.
        output = max(0, max_tokens or self.cap or 0) if answered else 0
        cost = None
        if meter.priced:
            cost = models.cost_of(name, sent, output)
            if cost is None:
                raise ProviderFailure(
                    f"the price of {name} is unknown, so a limit of dollars cannot be kept: "
                    "limit tokens instead",
                    code="price_unknown",
                )
        self.reservation: Reservation | None = meter.reserve(sent + output, cost)
        self.tally = models.tallies.one(meter.root, name)
        self.tally.begin()
        self._began = perf_counter()
        self._failed = ""

    def bounded(self, settings: ModelSettings | None) -> ModelSettings | None:
        """Settings under which the answer cannot be longer than what is reserved for it."""
        if self.cap is None or (settings or {}).get("max_tokens"):
            return settings
        return {**(settings or {}), "max_tokens": self.cap}

    def settle(self, response: ModelResponse) -> None:
        """Charges what was used, a cut-off answer included."""
        self.end(self.models.used(self.name, response, self.sent))

    def fail(self, error: BaseException) -> None:
        """Gives the reservation back; a request nobody waited for costs what was sent."""
        if self.note(error) in ("cancelled", "timeout"):
            # The provider works on and bills for it: cancelling must not be a way around budgets.
            self.end(Used(self.sent, 0, self.models.cost_of(self.name, self.sent, 0)))
        else:
            self.end(None)

    def note(self, error: BaseException) -> str:
        """Counts the request as failed; gives the code of the failure."""
        if isinstance(error, asyncio.CancelledError | GeneratorExit):
            self._failed = "cancelled"
        elif isinstance(error, TimeoutError):
            self._failed = "timeout"
        else:
            mapped = self.models.map_error(error, self.name)
            self._failed = str(getattr(mapped or error, "code", "malformed"))
        return self._failed

    def end(self, used: Used | None) -> None:
        """Charges what was used, or nothing when there was no request."""
        reservation, self.reservation = self.reservation, None
        if reservation is None:
            return
        self.tally.end(perf_counter() - self._began, self._failed)
        if used is not None:
            self.tally.add(used)
        if used is None:
            reservation.release()
        else:
            reservation.settle(*used)


@cache
def metered_model() -> type[Any]:
    """The class of metered models; made on first use because pydantic-ai is slow to import."""
    from pydantic_ai.models.wrapper import WrapperModel

    class MeteredModel(WrapperModel):
        """A model that reserves before each request and settles after it."""

        def __init__(self, wrapped: Model[Any], models: Models, name: str, meter: Meter) -> None:
            super().__init__(wrapped)
            self.models = models
            self.name = name
            self.meter = meter

        def charge(
            self,
            messages: list[ModelMessage],
            settings: ModelSettings | None,
            parameters: ModelRequestParameters,
        ) -> Charge:
            extra = (settings or {}).get("extra_body")
            if extra and "extra_body" in self.wrapped.unsupported_settings:
                provider = self.name.partition("/")[0]
                raise ProviderFailure(f"{provider} takes no provider_options", code="unsupported")
            tools = [*parameters.function_tools, *parameters.output_tools]
            more = "".join(map(str, [*tools, extra or ""]))
            sent = size_of(messages) + tokens_in(more)
            return Charge(
                self.models, self.name, self.meter, sent, (settings or {}).get("max_tokens")
            )

        async def request(
            self,
            messages: list[ModelMessage],
            model_settings: ModelSettings | None,
            model_request_parameters: ModelRequestParameters,
        ) -> ModelResponse:
            charge = self.charge(messages, model_settings, model_request_parameters)
            try:
                # Not `super().request`, which does no more and costs two more coroutines.
                response = await self.wrapped.request(
                    messages, charge.bounded(model_settings), model_request_parameters
                )
            except BaseException as error:
                charge.fail(error)
                own = isinstance(error, LlmspellError) or is_provider_error(error)
                if isinstance(error, Exception) and not own:
                    raise self.models.failure(error, self.name) from error
                raise
            charge.settle(response)
            return response

        @asynccontextmanager
        async def request_stream(
            self,
            messages: list[ModelMessage],
            model_settings: ModelSettings | None,
            model_request_parameters: ModelRequestParameters,
            run_context: Any = None,
        ) -> AsyncGenerator[StreamedResponse]:
            await asyncio.sleep(0)  # a model of this process waits for nothing: others have a turn
            charge = self.charge(messages, model_settings, model_request_parameters)
            response = None
            try:
                async with super().request_stream(
                    messages,
                    charge.bounded(model_settings),
                    model_request_parameters,
                    run_context,
                ) as response:
                    yield response
            except BaseException as error:
                charge.note(error)
                if response is None or not response.get().parts:
                    charge.fail(error)
                raise
            finally:
                if response is not None:
                    charge.settle(response.get())

    return MeteredModel


def tokens_in(text: str) -> int:
    """A guess. Bytes, because a character beyond ASCII is about a token of its own."""
    # A server may tell half of a character.
    return ceil(len(text.encode(errors="surrogatepass")) / 4)


def size_of(messages: Sequence[ModelMessage]) -> int:
    """A guess at the tokens of a conversation. Raises BadArgument for one that nobody can read."""
    size = marks = 0
    for text in _texts(messages):
        size += text if isinstance(text, int) else tokens_in(text)
        marks += 0 if isinstance(text, int) else stacked(text)
    if marks > MAX_STACKED:
        raise BadArgument(f"the messages have {marks} marks such as accents in long rows")
    return size


def _texts(messages: Sequence[ModelMessage]) -> Iterator[str | int]:
    """Every text of a conversation, and the tokens of what is none."""
    for message in messages:
        for part in message.parts:
            content: Any = getattr(part, "content", None) or getattr(part, "args", None) or ""
            for item in content if isinstance(content, list) else [content]:
                data = getattr(item, "data", None)
                if isinstance(data, bytes):
                    image = item.media_type.startswith("image/")
                    yield PICTURE if image else ceil(len(data) / 4)
                else:
                    yield item if isinstance(item, str) else str(item)
        yield getattr(message, "instructions", None) or ""
