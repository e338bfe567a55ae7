"""This unit writes agents as JSON and makes them of it again.

written(agent)          options and conversation; tools by name, agents it uses inside it
made(ctx, text, name)   an agent of that text
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from ... import typespec
from ...errors import BadArgument
from ...values import CannotCross, encode
from .agent import Agent, AgentMessage, AgentOptions

if TYPE_CHECKING:
    from ..context import Context

VERSION = 1
MAX_AGENTS = 32
"""Agents in one snapshot."""

DEEPEST = 64
"""How deep a snapshot may be nested."""

MAX_TEXT = 4_000_000
"""Characters of a snapshot."""


def written(agent: Agent) -> str:
    """The agent as JSON. Raises BadArgument where agents use one another in a circle."""
    told = {"version": VERSION, **_plain(agent, [])}
    return json.dumps(told, ensure_ascii=False, default=_as_told)


def _as_told(data: bytes) -> str:
    """Bytes that a tool gave, as the model was told of them."""
    return base64.urlsafe_b64encode(data).decode()


def _plain(agent: Agent, above: list[Agent]) -> dict[str, Any]:
    if agent in above:
        raise BadArgument(f"the agents use one another in a circle: {agent.name} uses itself")
    path = [*above, agent]
    given = agent.options.given()
    options = {
        name: value if name in ("output", "tools", "hand_offs") else _data(value)
        for name, value in given.items()
    }
    for name in ("tools", "hand_offs"):
        if name in options:
            options[name] = [
                {"agent": _plain(one, path)} if isinstance(one, Agent) else one
                for one in options[name]
            ]
    options["model"] = agent.model
    return {"options": options, "history": [_data(message) for message in agent.history]}


def _data(value: Any) -> Any:
    if not hasattr(value, "__dataclass_fields__"):
        return value
    return {name: item for name, item in asdict(value).items() if item is not None}


async def made(ctx: Context, text: str, name: str | None) -> Agent:
    """The agent a snapshot is of. Raises BadArgument for what is none."""
    if len(text) > MAX_TEXT:
        raise BadArgument(f"text is longer than {MAX_TEXT} characters")
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        raise BadArgument("text is not what agent.export writes: it is not JSON") from None
    try:
        encode(told, "text", DEEPEST)
    except CannotCross as error:
        raise BadArgument(str(error)) from None
    if not isinstance(told, dict) or told.get("version") != VERSION:
        raise BadArgument("text is not what agent.export writes: it has no version that is known")
    reader = _Reader(ctx)
    try:
        return await reader.agent(told, name, 1)
    except BaseException:
        for agent in reader.made:
            ctx.agents.remove(agent)
        raise


class _Reader:
    """Reads one snapshot."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.count = 0
        self.made: list[Agent] = []

    async def agent(self, told: Any, name: str | None, depth: int) -> Agent:
        self.count += 1
        if self.count > MAX_AGENTS or depth > 8:
            raise BadArgument(
                f"text holds more than {MAX_AGENTS} agents, or they are nested too deep"
            )
        if not isinstance(told, dict) or not isinstance(told.get("options"), dict):
            raise BadArgument("text is not what agent.export writes: an agent has no options")
        given = dict(told["options"])
        users = {
            key: [await self._one(one, depth) for one in _list(given.pop(key, None), key)]
            for key in ("tools", "hand_offs")
            if key in given
        }
        try:
            options = typespec.read(AgentOptions).fit(given, "options", typespec.NO_RUN)
            history = typespec.read(list[AgentMessage]).fit(
                told.get("history", []), "history", typespec.NO_RUN
            )
        except typespec.Misfit as misfit:
            raise BadArgument(f"text is not what agent.export writes: {misfit}") from None
        options = replace(options, **users)
        if name is not None:
            options = replace(options, name=name)
        agent = Agent(self.ctx, await self.ctx.model(options.model), options)
        self.made.append(agent)
        agent.keep(self.ctx, history)
        return agent

    async def _one(self, one: Any, depth: int) -> str | Agent:
        if isinstance(one, str):
            return one
        if isinstance(one, dict) and "agent" in one:
            told = one["agent"]
            given = told.get("options") if isinstance(told, dict) else None
            known = given.get("name") if isinstance(given, dict) else None
            if isinstance(known, str) and known in self.ctx.agents.names():
                return self.ctx.agents.get(known)
            return await self.agent(told, None, depth + 1)
        raise BadArgument("text is not what agent.export writes: a tool is neither name nor agent")


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise BadArgument(f"text is not what agent.export writes: options.{name} is no list")
    return value
