"""modelinfo: what is known of models, without asking any."""

from __future__ import annotations

from ..capability import capability
from ..host.context import Context
from ..host.llm.modelinfo import Comparison, CostEstimate, ModelDetails, ModelFilter


@capability("modelinfo.providers", since="0.1")
def providers(ctx: Context) -> list[str]:
    """Lists the providers whose models are on record.

    returns: their names, sorted.
    """
    return ctx.services.modelinfo.providers()


@capability("modelinfo.list", since="0.1")
def list_(ctx: Context, provider: str | None = None) -> list[str]:
    """Lists the models on record.

    provider: the provider; those of all when left out.
    returns: their names, as "provider/model", sorted.
    """
    return ctx.services.modelinfo.names(provider)


@capability("modelinfo.get", since="0.1")
def get(ctx: Context, name: str) -> ModelDetails:
    """Tells what is known of a model.

    name: the model as "provider/model".
    returns: what is known; the rest is left out.
    """
    return ctx.services.modelinfo.get(name)


@capability("modelinfo.find", since="0.1")
def find(ctx: Context, filter: ModelFilter = ModelFilter()) -> list[ModelDetails]:
    """Finds models.

    filter: which, in which order, and how many.
    returns: what is known of each.
    """
    return ctx.services.modelinfo.find(filter)


@capability("modelinfo.compare", since="0.1")
def compare(ctx: Context, names: list[str]) -> Comparison:
    """Puts models beside each other.

    names: the models, as "provider/model".
    returns: what is known of each, and which is cheapest and has the largest window.
    """
    return ctx.services.modelinfo.compare(names)


@capability("modelinfo.recommend", since="0.1")
def recommend(ctx: Context, filter: ModelFilter) -> ModelDetails | None:
    """Gives the cheapest model that fits, or the one with the largest window.

    filter: which models fit; its sort is "price" or "context"; how good one is, no record says.
    returns: the model, or nothing when none fits.
    """
    return ctx.services.modelinfo.recommend(filter)


@capability("modelinfo.estimate_cost", since="0.1")
def estimate_cost(
    ctx: Context, name: str, input_tokens: int, output_tokens: int = 0
) -> CostEstimate:
    """Estimates what a request would cost.

    name: the model as "provider/model".
    input_tokens: tokens sent; llm.count_tokens estimates them.
    output_tokens: tokens received.
    returns: the cost; left out when the price is unknown, never 0 instead.
    """
    return ctx.services.modelinfo.estimate(name, input_tokens, output_tokens)
