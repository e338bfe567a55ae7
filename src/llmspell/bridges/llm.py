"""llm: ask a language model."""

from __future__ import annotations

from ..capability import capability
from ..host.context import Context
from ..host.messages import Message, ModelInfo, ModelOptions, Reply
from .stream import Stream


@capability("llm.generate", since="0.1", needs="llm")
async def generate(ctx: Context, prompt: str, options: ModelOptions = ModelOptions()) -> str:
    """Asks a model and waits for the whole answer.

    prompt: what to say to the model.
    options: which model, and how it should answer.
    returns: the text of the answer.
    """
    name = await ctx.model(options.model)
    messages = [Message("user", prompt)]
    return (await ctx.services.models.request(name, messages, options, ctx.meter)).content


@capability("llm.generate_message", since="0.1", needs="llm")
async def generate_message(
    ctx: Context, messages: list[Message], options: ModelOptions = ModelOptions()
) -> Reply:
    """Continues a conversation.

    messages: the conversation so far, oldest first.
    options: which model, and how it should answer.
    returns: the answer, with the model that gave it and what it used.
    """
    name = await ctx.model(options.model)
    return await ctx.services.models.request(name, messages, options, ctx.meter)


@capability("llm.stream", since="0.1", needs="llm")
async def stream(ctx: Context, prompt: str, options: ModelOptions = ModelOptions()) -> Stream:
    """Asks a model and gives the answer piece by piece, as it comes.

    prompt: what to say to the model.
    options: which model, and how it should answer.
    returns: a stream of texts.
    """
    name = await ctx.model(options.model)
    messages = [Message("user", prompt)]
    return Stream(ctx.services.models.stream(name, messages, options, ctx.meter))


@capability("llm.models", since="0.1", needs="llm")
async def models(ctx: Context) -> list[ModelInfo]:
    """Lists the models that can be asked here.

    returns: what is known of each; what is unknown is left out.
    """
    return ctx.services.models.known()
