"""This unit makes the doubles and tests the connections that a script asks for."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from ...errors import BadArgument, NotFound, near_miss
from ...typespec import NO_RUN, Misfit, Type, read
from ...values import FunctionRef
from ..errors import run
from ..llm import probes
from ..llm.probes import ConnectionTest
from ..settings import DEFAULT_TIMEOUT
from .doubles import Answer, Double, DoubleOptions, Given, Question

if TYPE_CHECKING:
    from ..context import Context

ANSWER: Type = read(str | Answer)


def create(
    ctx: Context, name: str, answers: list[str | Answer] | FunctionRef, options: DoubleOptions
) -> str:
    """Adds a double to the run; gives its full name."""
    if isinstance(answers, FunctionRef):
        function = answers

        async def respond(question: Question) -> Given:
            given = await run(function, asdict(question))
            try:
                fitted: Given = ANSWER.fit(given, "the answer", NO_RUN)
            except Misfit as misfit:
                raise BadArgument(f"mock/{name}: {misfit}") from None
            return fitted

        double = Double(respond, options)
    else:
        double = Double(answers, options)
    return ctx.roster.mock(name, double)


def find(ctx: Context, name: str) -> Double:
    """The double of a name. Raises NotFound."""
    doubles = ctx.roster.doubles
    found = doubles.get(name) or doubles.get(f"mock/{name}")
    if found is None:
        raise NotFound(f"there is no mock {name}{near_miss(f'mock/{name}', doubles)}")
    return found


async def test_connection(ctx: Context, name: str, patience: float) -> ConnectionTest:
    """Whether a provider, of the user's or the script's, answers."""
    if not 0 < patience <= DEFAULT_TIMEOUT:
        raise BadArgument(f"timeout must be above 0 and at most {DEFAULT_TIMEOUT:g} seconds")
    models, roster = ctx.services.models, ctx.roster
    if name in (*roster.doubles, "test") or f"mock/{name}" in roster.doubles:
        return ConnectionTest(name, ok=True, seconds=0.0)
    if (own := roster.providers.get(name)) is not None:
        return await probes.test(own, ctx.services.keyless, models.environment, patience)
    alias = roster.aliases.get(name)
    real = (alias.provider or "") if alias is not None else name
    known = {item.name for item in probes.listed(models, ctx.reaches_model, roster)}
    if real not in known:
        raise NotFound(f"there is no provider {name}{near_miss(name, known)}")
    return await probes.test(models.providers[real], models.http, models.environment, patience)
