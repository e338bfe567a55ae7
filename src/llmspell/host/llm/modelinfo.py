"""This unit knows models without asking them: windows, prices, and what they can take and do.

    ModelFacts(models)      what is known, of the providers of a session and all others on record
        providers() names() get() find() compare() recommend() estimate()

Windows and prices are those of genai-prices, abilities those of pydantic-ai's profiles; both come
with the program and may be older than the models. What is not known is None, never 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Literal, get_args

from ...errors import BadArgument, NotFound, near_miss
from .kinds import OWN_NAMES
from .providers import check_name, dollars, price_of

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo as PricedModel

    from .models import Models

Ability = Literal["tools", "json_schema", "image_output", "reasoning", "caching"]
"""What a model may be able to do, besides text. Which pictures and files it takes is on no record:
profiles say yes where they do not know."""

PROFILE: dict[str, str] = {
    "tools": "supports_tools",
    "json_schema": "supports_json_schema_output",
    "image_output": "supports_image_output",
    "reasoning": "supports_thinking",
    "caching": "supports_cache",
}
"""Ability -> what pydantic-ai's profiles call it."""

MAX_FOUND = 500


@dataclass(frozen=True, slots=True)
class ModelDetails:
    """What is known about a model. What is unknown is left out.

    name: the model as "provider/model".
    provider: the provider alone.
    title: what people call it.
    context_window: most tokens of a conversation.
    input_price: US dollars for a million tokens sent.
    output_price: US dollars for a million tokens received.
    cached_price: US dollars for a million tokens sent that the provider had kept.
    abilities: what it can do besides text; left out where nothing is known of its kind.
    deprecated: whether its provider is about to take it away.
    available: whether this session has what it takes to ask it: a key, or an address.
    """

    name: str
    provider: str
    title: str | None = None
    context_window: int | None = None
    input_price: float | None = None
    output_price: float | None = None
    cached_price: float | None = None
    abilities: list[str] | None = None
    deprecated: bool = False
    available: bool = False


@dataclass(frozen=True, slots=True)
class ModelFilter:
    """Which models are looked for. A model of which it is not known whether it fits does not.

    provider: the provider.
    contains: a part of its name, in any case.
    abilities: what it must be able to do.
    min_context: tokens its window has at least.
    max_input_price: US dollars for a million tokens sent, at most.
    max_output_price: US dollars for a million tokens received, at most.
    available: whether only models that this session can ask are wanted.
    deprecated: whether those that are about to go are wanted too.
    sort: what comes first: the cheapest, the largest window, or the name.
    limit: how many are given, 500 at most.
    """

    provider: str | None = None
    contains: str | None = None
    abilities: list[Ability] | None = None
    min_context: int | None = None
    max_input_price: float | None = None
    max_output_price: float | None = None
    available: bool = False
    deprecated: bool = False
    sort: Literal["price", "context", "name"] = "name"
    limit: int = 20


@dataclass(frozen=True, slots=True)
class Comparison:
    """Several models beside each other.

    models: what is known of each, in the order they were named.
    cheapest: the one with the lowest price for as many tokens sent as received, if one is known.
    largest_context: the one with the largest window, if one is known.
    shared_abilities: what all of them can do.
    """

    models: list[ModelDetails]
    cheapest: str | None
    largest_context: str | None
    shared_abilities: list[str]


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """What a request would cost.

    model: the model as "provider/model".
    input_tokens: tokens sent.
    output_tokens: tokens received.
    cost: US dollars for both; nothing when the price is unknown.
    """

    model: str
    input_tokens: int
    output_tokens: int
    cost: float | None = None


class ModelFacts:
    """What is known of models, as a session with these providers sees it."""

    def __init__(self, models: Models) -> None:
        self._models = models

    def providers(self) -> list[str]:
        """The providers of which models are known, sorted."""
        return sorted(OWN_NAMES.get(one.id, one.id) for one in _snapshot().providers)

    def names(self, provider: str | None = None) -> list[str]:
        """The names of all models, or of one provider's, sorted. Raises NotFound."""
        return sorted(name for name, _ in self._known(provider))

    def get(self, name: str) -> ModelDetails:
        """What is known of a model, by any name its provider takes. Raises NotFound."""
        check_name(name)
        provider, slash, model = name.partition("/")
        if name == "test/offline":
            return ModelDetails(name, "test", input_price=0.0, output_price=0.0, available=True)
        if not slash or not model:
            raise BadArgument(f"{name!r} is not the name of a model: write PROVIDER/MODEL")
        known = _provider(self._priced_as(provider))
        if known is None:
            raise NotFound(f"nothing is known of {name}{self._hint(provider)}")
        found = known.find_model(model, all_providers=_snapshot().providers)
        if found is None:
            names = [item.id for item in known.models]
            raise NotFound(f"nothing is known of {name}{near_miss(model, names)}")
        return _able(self._details(f"{OWN_NAMES.get(provider, provider)}/{model}", found))

    def find(self, wanted: ModelFilter) -> list[ModelDetails]:
        """The models that fit, at most `limit` of them. Raises BadArgument or NotFound."""
        if not 1 <= wanted.limit <= MAX_FOUND:
            raise BadArgument(f"filter.limit must be 1 to {MAX_FOUND}, got {wanted.limit}")
        if wanted.provider is not None:
            self.names(wanted.provider)  # knows whether there is one
        part, provider = (wanted.contains or "").lower(), OWN_NAMES.get(wanted.provider or "")
        found = [
            model
            for model in self._all
            if wanted.provider in (None, model.provider) or provider == model.provider
            if part in model.name.lower() and _fits(model, wanted)
        ]
        able: list[ModelDetails] = []
        for model in sorted(found, key=ORDERS[wanted.sort]):
            if len(able) < wanted.limit:
                told = _able(model)
                able += [told] * (set(wanted.abilities or ()) <= set(told.abilities or ()))
        return able

    @cached_property
    def _all(self) -> list[ModelDetails]:
        """All there is on record; what they can do is only worked out where it is asked for."""
        return [self._details(name, item) for name, item in self._known(None)]

    def compare(self, names: list[str]) -> Comparison:
        """Models beside each other. Raises BadArgument or NotFound."""
        if not 1 <= len(names) <= MAX_FOUND:
            raise BadArgument(f"names must be 1 to {MAX_FOUND} models, got {len(names)}")
        models = [self.get(name) for name in names]
        priced = [model for model in models if _price(model) is not None]
        sized = [model for model in models if model.context_window is not None]
        shared = set.intersection(*(set(model.abilities or ()) for model in models))
        return Comparison(
            models,
            min(priced, key=ORDERS["price"]).name if priced else None,
            min(sized, key=ORDERS["context"]).name if sized else None,
            sorted(shared),
        )

    def recommend(self, wanted: ModelFilter) -> ModelDetails | None:
        """The first of the models that fit, by its order; None when none does."""
        if wanted.sort == "name":
            raise BadArgument('filter.sort must be "price" or "context" for a recommendation')
        return next(iter(self.find(wanted)), None)

    def estimate(self, name: str, input_tokens: int, output_tokens: int) -> CostEstimate:
        """What a request would cost. Raises BadArgument or ProviderFailure."""
        if input_tokens < 0 or output_tokens < 0:
            raise BadArgument("tokens cannot be below 0")
        check_name(name)
        provider, _, model = name.partition("/")
        if name == "test/offline" or provider in self._models.providers:
            cost = self._models.cost_of(name, input_tokens, output_tokens)
        else:
            from genai_prices import Usage

            usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
            cost = price_of(self._priced_as(provider), model, usage)
        return CostEstimate(name, input_tokens, output_tokens, cost)

    def _priced_as(self, provider: str) -> str:
        """What genai-prices calls a provider of ours, or one of its own."""
        own = self._models.providers.get(provider)
        return (own.kind.prices or "") if own is not None else provider

    def _known(self, provider: str | None) -> Iterator[tuple[str, PricedModel]]:
        for one in _snapshot().providers:
            name = OWN_NAMES.get(one.id, one.id)
            if provider is None or self._priced_as(provider) == one.id:
                yield from ((f"{provider or name}/{item.id}", item) for item in one.models)
        if provider is not None and _provider(self._priced_as(provider)) is None:
            raise NotFound(f"no models of {provider} are on record{self._hint(provider)}")

    def _hint(self, provider: str) -> str:
        return near_miss(provider, self.providers())

    def _details(self, name: str, item: PricedModel) -> ModelDetails:
        provider = name.partition("/")[0]
        sent, received, kept = _prices(item)
        own = self._models.providers.get(provider)
        return ModelDetails(
            name,
            provider,
            item.name,
            item.context_window,
            sent,
            received,
            kept,
            deprecated=bool(item.deprecated),
            available=own is not None
            and (own.has_key(self._models.environment) or not own.needs_key),
        )


def _snapshot() -> Any:
    from genai_prices.data_snapshot import get_snapshot

    return get_snapshot()


def _provider(name: str) -> Any:
    return next((one for one in _snapshot().providers if one.id == name), None)


def _prices(item: PricedModel) -> list[float | None]:
    """Dollars for a million tokens sent, received, and sent again."""
    prices = item.get_prices(datetime.now(UTC))
    kinds = ("input_mtok", "output_mtok", "cache_read_mtok")
    return [dollars(getattr(prices, kind, None)) for kind in kinds]


UPSTREAMS = {"openai": "openai", "anthropic": "anthropic", "gemini": "google", "google": "google"}
"""Provider -> the makers whose profiles pydantic-ai has, without a package of theirs."""


@lru_cache(maxsize=4096)
def _abilities(provider: str, model: str) -> list[str] | None:
    if provider == "openrouter":
        provider, _, model = model.partition("/")
    maker = UPSTREAMS.get(provider)
    if maker is None:
        return None
    from importlib import import_module

    from pydantic_ai.profiles import DEFAULT_PROFILE

    tell = getattr(import_module(f"pydantic_ai.profiles.{maker}"), f"{maker}_model_profile")
    profile: dict[str, Any] = {**DEFAULT_PROFILE, **(tell(model) or {})}
    return [name for name in get_args(Ability) if profile.get(PROFILE[name])]


def _price(model: ModelDetails) -> float | None:
    if model.input_price is None or model.output_price is None:
        return None
    return model.input_price + model.output_price


def _fits(model: ModelDetails, wanted: ModelFilter) -> bool:
    bounds = (
        (model.context_window, wanted.min_context, 1),
        (model.input_price, wanted.max_input_price, -1),
        (model.output_price, wanted.max_output_price, -1),
    )
    for value, bound, sign in bounds:
        if bound is not None and (value is None or value * sign < bound * sign):
            return False
    if wanted.sort == "price" and _price(model) is None:
        return False
    if wanted.sort == "context" and model.context_window is None:
        return False
    return (model.available or not wanted.available) and (wanted.deprecated or not model.deprecated)


def _able(model: ModelDetails) -> ModelDetails:
    provider, _, name = model.name.partition("/")
    return replace(model, abilities=_abilities(provider, name))


ORDERS: dict[str, Any] = {
    "price": lambda model: (_price(model), -(model.context_window or 0), model.name),
    "context": lambda model: (-(model.context_window or 0), _price(model) or 0.0, model.name),
    "name": lambda model: model.name,
}
