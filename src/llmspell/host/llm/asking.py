"""This unit asks models for a script: with its defaults, within its grants, hooks and budget.

    ask(ctx, messages, options)             the whole answer
    ask_in_pieces(ctx, messages, options)   a stream of it; nothing is sent before it is read

Whatever `llm` offers goes through one of these two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .attachments import loaded

if TYPE_CHECKING:
    from ..context import Context
    from .messages import Message, ModelOptions, Reply
    from .streams import ModelStream


async def ask(ctx: Context, messages: Sequence[Message], options: ModelOptions) -> Reply:
    """The answer of a model. Raises Denied, BadArgument, BudgetExceeded or ProviderFailure."""
    options = ctx.defaults.applied(options)
    name = await ctx.model(options.model)
    models = ctx.services.models
    with models.carrying() as carry:
        messages = await loaded(ctx, messages, carry)
    return await models.request(name, messages, options, ctx.meter)


async def ask_in_pieces(
    ctx: Context, messages: Sequence[Message], options: ModelOptions
) -> ModelStream:
    """The same, as a stream. What can be refused at once is."""
    options = ctx.defaults.applied(options)
    name = await ctx.model(options.model)
    models = ctx.services.models
    with models.carrying() as carry:
        messages = await loaded(ctx, messages, carry)
    return models.stream(name, messages, options, ctx.meter)
