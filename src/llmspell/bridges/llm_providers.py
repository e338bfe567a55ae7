"""llm.providers: who offers models, and stand-ins for them."""

from __future__ import annotations

from ..capability import capability
from ..errors import NotFound, near_miss
from ..host.context import Context
from ..host.doubles import mocks
from ..host.doubles.doubles import Answer, DoubleOptions
from ..host.llm import probes
from ..host.llm.probes import ConnectionTest, ProviderInfo, ProviderTemplate
from ..host.pools.roster import ProviderOptions
from ..host.pools.tallies import ProviderMetrics
from ..values import FunctionRef


@capability("llm.providers.list", since="0.1", needs="llm")
def list_(ctx: Context) -> list[ProviderInfo]:
    """Lists the providers that the grants allow to ask, and those the script has made.

    returns: what is known of each.
    """
    return probes.listed(ctx.services.models, ctx.reaches_model, ctx.roster)


@capability("llm.providers.get", since="0.1", needs="llm")
def get(ctx: Context, name: str) -> ProviderInfo:
    """Describes a provider.

    name: its name.
    returns: what is known of it.
    """
    found = {item.name: item for item in list_(ctx)}
    item = found.get(name) or found.get(f"mock/{name}")
    if item is None:
        raise NotFound(f"there is no provider {name}{near_miss(name, found)}")
    return item


@capability("llm.providers.templates", since="0.1", needs="llm")
def templates(ctx: Context) -> list[ProviderTemplate]:
    """Lists the kinds of provider that a user can configure.

    returns: what each needs.
    """
    return probes.templates()


@capability("llm.providers.create", since="0.1", needs="llm", rebuilds=True)
def create(ctx: Context, name: str, options: ProviderOptions) -> str:
    """Adds a provider for this run: another name for one of the user's, or a server of one's own.

    A server is sent no key, and needs a grant `net` for its address.

    name: what models of it begin with, as in "name/model".
    options: what it stands for, or where it is.
    returns: the name.
    """
    return ctx.roster.create(name, options)


@capability("llm.providers.create_mock", since="0.1", needs="llm", rebuilds=True)
def create_mock(
    ctx: Context,
    name: str,
    answers: list[str | Answer] | FunctionRef,
    options: DoubleOptions = DoubleOptions(),
) -> str:
    """Makes a model that only stands in for one: for tests, without network or cost.

    name: its name in this run.
    answers: what it says: a list of texts, and of maps with text, data, tool calls or a failure; or
        a function that is given the question (prompt, system, messages, tools, call) and gives one.
    options: how slow it is, and whether it starts again after the last answer.
    returns: the model, "mock/NAME", to be named where a model is.
    """
    return mocks.create(ctx, name, answers, options)


@capability("llm.providers.calls", since="0.1", needs="llm")
def calls(ctx: Context, name: str) -> list[str]:
    """Tells what a model made by `create_mock` was asked: the last 100 prompts.

    name: its name.
    returns: the prompts, oldest first; 2000 characters of each.
    """
    return list(mocks.find(ctx, name).calls)


@capability("llm.providers.remove", since="0.1", needs="llm", rebuilds=True)
def remove(ctx: Context, name: str) -> bool:
    """Forgets a provider, or a model of `create_mock`, that this script has made.

    name: its name.
    returns: whether there was one.
    """
    return ctx.roster.remove(name)


@capability("llm.providers.test_connection", since="0.1", needs="llm")
async def test_connection(
    ctx: Context,
    name: str,
    timeout: float = 10.0,  # noqa: ASYNC109 - a parameter of scripts
) -> ConnectionTest:
    """Asks a provider for its list of models, which costs nothing, to see whether it answers.

    name: the provider.
    timeout: seconds to wait.
    returns: whether it answers and takes the key.
    """
    return await mocks.test_connection(ctx, name, timeout)


@capability("llm.providers.metrics", since="0.1", needs="llm")
def metrics(ctx: Context) -> list[ProviderMetrics]:
    """Tells what was asked of each provider in this run, agents and pools included.

    returns: requests, failures, seconds, tokens and dollars of each.
    """
    tallies = ctx.services.models.tallies.of(ctx.meter)
    return [tally.metrics(name) for name, tally in sorted(tallies.items())]


@capability("llm.providers.reset_metrics", since="0.1", needs="llm", rebuilds=True)
def reset_metrics(ctx: Context) -> None:
    """Starts the counts of `metrics` anew."""
    for tally in ctx.services.models.tallies.of(ctx.meter).values():
        tally.reset()
