"""llm: ask a language model."""

from __future__ import annotations

from ..capability import capability
from ..host.context import Context
from ..host.llm.chats import Chat
from ..host.llm.messages import (
    BatchItem,
    BatchOptions,
    ChatOptions,
    Embeddings,
    EmbedOptions,
    Message,
    ModelInfo,
    ModelOptions,
    Reply,
    Request,
)
from . import chat as _chat  # noqa: F401 - its handle must be declared before it is mentioned
from .stream import Stream


@capability("llm.generate", since="0.1", needs="llm")
async def generate(ctx: Context, prompt: str, options: ModelOptions = ModelOptions()) -> str:
    """Asks a model and waits for the whole answer.

    prompt: what to say to the model.
    options: which model, and how it should answer.
    returns: the text of the answer.
    """
    from ..host.llm.asking import ask

    return (await ask(ctx, [Message("user", prompt)], options)).content


@capability("llm.generate_message", since="0.1", needs="llm")
async def generate_message(
    ctx: Context, messages: list[Message], options: ModelOptions = ModelOptions()
) -> Reply:
    """Continues a conversation.

    messages: the conversation so far, oldest first.
    options: which model, and how it should answer.
    returns: the answer, with the model that gave it and what it used.
    """
    from ..host.llm.asking import ask

    return await ask(ctx, messages, options)


@capability("llm.complete", since="0.1", needs="llm")
async def complete(ctx: Context, request: Request) -> Reply:
    """Asks a model, all in one table: {model = ..., messages = {...}, temperature = ...}.

    request: what to say, which model, and how it should answer.
    returns: the answer, with the model that gave it and what it used.
    """
    from ..host.llm.asking import ask
    from ..host.llm.conversations import said_in

    return await ask(ctx, said_in(request), request)


@capability("llm.stream", since="0.1", needs="llm")
async def stream(
    ctx: Context, prompt: str | list[Message], options: ModelOptions = ModelOptions()
) -> Stream:
    """Asks a model and gives the answer piece by piece, as it comes.

    prompt: what to say to the model, or the conversation so far.
    options: which model, and how it should answer.
    returns: a stream of texts.
    """
    from ..host.llm.asking import ask_in_pieces

    messages = [Message("user", prompt)] if isinstance(prompt, str) else prompt
    return Stream(await ask_in_pieces(ctx, messages, options))


@capability("llm.chat", since="0.1", needs="llm", again=True)
def chat(ctx: Context, options: ChatOptions = ChatOptions()) -> Chat:
    """Begins a conversation, or goes on with one that was exported.

    options: which model, how it should answer, and what was said before.
    returns: the chat.
    """
    return Chat(ctx, options)


@capability("llm.batch", since="0.1", needs="llm")
async def batch(
    ctx: Context, requests: list[str | Request], options: BatchOptions = BatchOptions()
) -> list[BatchItem]:
    """Asks many times, so many at the same time. One failure does not lose the other answers.

    requests: prompts, or requests as llm.complete takes them.
    options: how many at the same time, and what holds for all requests.
    returns: what became of each, in their order.
    """
    from ..host.llm.batches import asked_all

    return await asked_all(ctx, requests, options)


@capability("llm.embed", since="0.1", needs="llm")
async def embed(
    ctx: Context, texts: str | list[str], options: EmbedOptions = EmbedOptions()
) -> Embeddings:
    """Makes vectors of texts: texts that mean the same have vectors that are near.

    texts: a text, or up to 32.
    options: which model, and how long the vectors are.
    returns: the vectors, and what they took.
    """
    from ..host.llm.embeddings import embed, embedding_model

    name = await embedding_model(ctx, options.model)
    wanted = [texts] if isinstance(texts, str) else texts
    return await embed(ctx.services.models, name, wanted, options, ctx.meter, ctx.beside)


@capability("llm.count_tokens", since="0.1")
def count_tokens(ctx: Context, text: str | list[Message]) -> int:
    """Estimates how many tokens a text or a conversation has. Nobody is asked.

    text: the text, or the messages.
    returns: the estimate that budgets reserve: a quarter of its bytes, 1600 for an image or a file.
    """
    from ..host.llm.conversations import estimate

    return estimate(text)


@capability("llm.split_text", since="0.1")
def split_text(ctx: Context, text: str, max_tokens: int) -> list[str]:
    """Cuts a long text into parts that a model can take: after a paragraph, a line, a sentence or
    a word where there is one. Joined they are the text again. Nobody is asked.

    text: the text.
    max_tokens: the most tokens of a part, as llm.count_tokens counts them.
    returns: the parts, 10,000 at most.
    """
    from ..host.llm.splits import split_text

    return split_text(text, max_tokens)


@capability("llm.set_defaults", since="0.1", again=True)
def set_defaults(ctx: Context, options: ModelOptions) -> None:
    """Sets what holds for all later requests of this run, and agents, that do not say otherwise.

    options: what to set; what is left out stays as it was.
    """
    ctx.defaults.set(options)


@capability("llm.get_defaults", since="0.1", again=True)
def get_defaults(ctx: Context) -> ModelOptions:
    """Tells what was set with llm.set_defaults.

    returns: the options.
    """
    return ctx.defaults.options


@capability("llm.reset_defaults", since="0.1", again=True)
def reset_defaults(ctx: Context) -> None:
    """Forgets what was set with llm.set_defaults."""
    ctx.defaults.reset()


@capability("llm.models", since="0.1", needs="llm")
async def models(ctx: Context) -> list[ModelInfo]:
    """Lists the models that can be asked here, those of an Ollama that answers among them.

    returns: what is known of each; what is unknown is left out.
    """
    reaches = ctx.policy.reaches
    return await ctx.services.models.known(lambda provider: reaches("llm", f"{provider}/"))
