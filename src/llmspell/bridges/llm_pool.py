"""llm.pool: several models that are asked as one."""

from __future__ import annotations

from ..capability import capability, handle
from ..errors import NotFound, near_miss
from ..host.context import Context
from ..host.llm.asking import ask, ask_in_pieces
from ..host.llm.messages import Message, ModelOptions, Reply
from ..host.pools.pools import MemberHealth, Pool, PoolMember, PoolOptions, Strategy
from ..host.pools.tallies import ProviderMetrics
from .stream import Stream

handle("pool")(Pool)


@capability("llm.pool.create", since="0.1", needs="llm", rebuilds=True)
async def create(
    ctx: Context,
    name: str,
    models: list[str | PoolMember],
    strategy: Strategy = "fallback",
    options: PoolOptions = PoolOptions(),
) -> Pool:
    """Makes a pool of models. It can be given wherever a model is named, as it is or as
    "pool/NAME".

    name: its name in this run.
    models: its models, in order: names, or maps with a weight, a timeout and limits.
    strategy: who is asked. "fallback": the first, the next one when it fails. "round_robin",
        "weighted", "least_used": another one each time, and the next one when it fails.
        "fastest": all at once, the first answer (of a stream: the first piece) counts and the
        other requests are cancelled.
        "consensus": all at once, and the answer that they agree on.
    options: when a model is given up, and how they agree.
    returns: the pool.
    """
    members = [item if isinstance(item, PoolMember) else PoolMember(item) for item in models]
    return await ctx.roster.pool(name, members, strategy, options, ctx.model)


@capability("llm.pool.get", since="0.1", needs="llm", rebuilds=True)
def get(ctx: Context, name: str) -> Pool:
    """Finds a pool that was made before.

    name: its name.
    returns: the pool.
    """
    pools = ctx.roster.pools
    found = pools.get(name) or pools.get(f"pool/{name}")
    if found is None:
        raise NotFound(f"there is no pool {name}{near_miss(f'pool/{name}', pools)}")
    return found


@capability("llm.pool.list", since="0.1", needs="llm")
def list_(ctx: Context) -> list[str]:
    """Lists the pools of this run.

    returns: their names, as models are named: "pool/NAME".
    """
    return list(ctx.roster.pools)


@capability("llm.pool.remove", since="0.1", needs="llm", rebuilds=True)
def remove(ctx: Context, name: str) -> bool:
    """Forgets a pool, which cannot be asked any more. What it is doing goes on.

    name: its name.
    returns: whether there was one.
    """
    return ctx.roster.remove(f"pool/{name.removeprefix('pool/')}")


@capability("llm.pool.generate", since="0.1", needs="llm")
async def generate(
    ctx: Context, pool: Pool, prompt: str, options: ModelOptions = ModelOptions()
) -> str:
    """Asks a pool and waits for the whole answer.

    pool: the pool.
    prompt: what to say to the model.
    options: how it should answer.
    returns: the text of the answer.
    """
    return (await ask(ctx, [Message("user", prompt)], pool.asked(options))).content


@capability("llm.pool.generate_message", since="0.1", needs="llm")
async def generate_message(
    ctx: Context, pool: Pool, messages: list[Message], options: ModelOptions = ModelOptions()
) -> Reply:
    """Continues a conversation with a pool.

    pool: the pool.
    messages: the conversation so far, oldest first.
    options: how the model should answer.
    returns: the answer, with the model that gave it and what that used.
    """
    return await ask(ctx, messages, pool.asked(options))


@capability("llm.pool.stream", since="0.1", needs="llm")
async def stream(
    ctx: Context, pool: Pool, prompt: str, options: ModelOptions = ModelOptions()
) -> Stream:
    """Asks a pool and gives the answer piece by piece, as it comes.

    Another model is asked as long as there was no piece. Of "fastest" the model with the first
    piece goes on alone. An answer of "consensus" comes in one piece.

    pool: the pool.
    prompt: what to say to the model.
    options: how it should answer.
    returns: a stream of texts.
    """
    return Stream(await ask_in_pieces(ctx, [Message("user", prompt)], pool.asked(options)))


@capability("llm.pool.metrics", since="0.1", needs="llm")
def metrics(ctx: Context, pool: Pool) -> list[ProviderMetrics]:
    """Tells what a pool has asked of each of its models.

    pool: the pool.
    returns: requests, failures, seconds, tokens and dollars of each.
    """
    return pool.metrics()


@capability("llm.pool.health", since="0.1", needs="llm")
async def health(ctx: Context, pool: Pool) -> list[MemberHealth]:
    """Tells which models of a pool would be asked now.

    pool: the pool.
    returns: the state of each.
    """
    return await pool.health()


@capability("llm.pool.reset", since="0.1", needs="llm", rebuilds=True)
def reset(ctx: Context, pool: Pool) -> None:
    """Forgets the failures and counts of all models of a pool. Limits a minute hold on.

    pool: the pool.
    """
    pool.reset()


@capability("llm.pool.set_weight", since="0.1", needs="llm", rebuilds=True)
async def set_weight(ctx: Context, pool: Pool, model: str, weight: float) -> None:
    """Changes the share of the requests that a model of a pool gets.

    pool: the pool.
    model: the model.
    weight: its share, beside the others'; 0 for none.
    """
    pool.set_weight(await ctx.model(model), weight)
