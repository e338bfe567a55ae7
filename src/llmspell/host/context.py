"""What a capability may use: the run it serves and the services of its session.

A capability gets a `Context` as its first argument. It holds no engine: the doors into the
runtime (`invoke`, `write`) are given to it, so that host code can be tested without a VM.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..limits import Meter
from ..policy import Policy, denial
from ..values import Handle
from .failures import failure_of

if TYPE_CHECKING:
    from .agents.agent import Agents
    from .agents.hooks import Hooks
    from .beside import Beside
    from .channels import Channels
    from .llm.defaults import Defaults
    from .pools.roster import Roster
    from .schemas.versions import Repository
    from .services import Services
    from .spells import Nest
    from .tools.mcp import Servers
    from .tools.toolbox import Toolbox


class Context:
    """One run, as its capabilities see it.

    policy: what the run may do; `demand` is its check.
    meter: what it has used and may use.
    services: what the session offers.
    invoke: makes a call through the gate, as the script would: `await ctx.invoke(name, *args)`.
    write: prints text to the output of the run.
    load_module: source and shown name of a script module, or None when there is none.
    tools: makes what has the tools known in this run, when it is first asked for them.
    sources: names of the sources of this run, as its errors show them.
    run_id: names the run in logs.
    adopt: keeps a host object of a kind until the run ends, and gives the handle of it.
    keep: the same for what a handle of the script stands for, which it gives. Raises NotFound.
    measure: brings the meter up to date with what the engine knows.
    alone: whether the script waits for one call only, so that no task of it can do anything.
    nest: makes what runs other spells inside this run, when it is first asked for.
    beside: gives what does long work of the run that this one is in, if it is in one.
    channels: the channels of this run, made on first use.
    """

    def __init__(
        self,
        *,
        policy: Policy,
        meter: Meter,
        services: Services,
        invoke: Callable[..., Awaitable[Any]],
        write: Callable[[str], None],
        load_module: Callable[[str], tuple[str, str] | None],
        tools: Callable[[], Toolbox],
        sources: Container[str] = (),
        run_id: str = "",
        measure: Callable[[], None] = lambda: None,
        alone: Callable[[], bool] = lambda: False,
        adopt: Callable[[str, Any], Handle] = lambda kind, thing: Handle(kind, 0),
        keep: Callable[[Handle], Any] = lambda handle: handle,
        nest: Callable[[], Nest] | None = None,
        beside: Callable[[], Beside] | None = None,
    ) -> None:
        self.keep = keep
        self.adopt = adopt
        self.measure = measure
        self.alone = alone
        self.policy = policy
        self.meter = meter
        self.services = services
        self.invoke = invoke
        self.write = write
        self.load_module = load_module
        self._make_tools = tools
        self._make_nest = nest
        self._beside_above = beside
        self.sources = sources
        self.run_id = run_id

    @cached_property
    def tools(self) -> Toolbox:
        """The tools known in this run."""
        return self._make_tools()

    @property
    def nest(self) -> Nest:
        """What runs other spells inside this run."""
        assert self._make_nest is not None
        return self._make_nest()

    @cached_property
    def beside(self) -> Beside:
        """What does long work of this run in a thread."""
        if self._beside_above is not None:
            return self._beside_above()
        from .beside import Beside

        return Beside()

    @cached_property
    def channels(self) -> Channels:
        """The channels of this run."""
        from .channels import Channels

        return Channels(self.services.channels)

    @cached_property
    def agents(self) -> Agents:
        """The agents of this run."""
        from .agents.agent import Agents

        return Agents()

    @cached_property
    def defaults(self) -> Defaults:
        """What holds for requests to models in this run that do not say otherwise."""
        from .llm.defaults import Defaults

        return Defaults()

    @property
    def hooked(self) -> bool:
        """Whether there was ever a hook in this run."""
        return "hooks" in self.__dict__

    @cached_property
    def hooks(self) -> Hooks:
        """What looks at requests to models and at calls of tools in this run."""
        from .agents.hooks import Hooks

        return Hooks(self)

    @cached_property
    def schemas(self) -> Repository:
        """The schemas that were saved in this run."""
        from .schemas.versions import Repository

        return Repository(self.meter.hold)

    @cached_property
    def mcp(self) -> Servers:
        """The MCP servers of this run."""
        from .tools.mcp import Servers

        return Servers(self.services, self.demand)

    async def aclose(self) -> None:
        """Ends what was started for this run."""
        if "mcp" in self.__dict__:
            await self.mcp.aclose()

    def close(self) -> None:
        """Lets go of what is shared with other runs."""
        if "channels" in self.__dict__:
            self.channels.close()
        if "roster" in self.__dict__:
            self.roster.close()

    def log(self, level: str, message: str, fields: dict[str, Any]) -> None:
        """Makes a remark to whoever runs the spell. Raises OutputLimit."""
        self.meter.charge_log(len(message) + sum(len(f"{k}{v}") for k, v in fields.items()))
        try:
            self.services.log(level, message, fields, self.run_id)
        except Exception as error:
            raise failure_of("log", error) from error

    @cached_property
    def roster(self) -> Roster:
        """The providers, pools and doubles that the script of this run made."""
        from .pools.roster import Roster

        services = self.services
        return Roster(services.models, self.meter, self.demand, lambda: services.keyless)

    async def model(self, wanted: str | None) -> str:
        """The full name of the model to ask, once the policy allows it.

        Finding it may take a request, so the provider must be within reach of a grant before.
        """
        if wanted and "roster" in self.__dict__ and (own := await self.roster.name(wanted)):
            return own
        models = self.services.models
        head = (wanted or "").partition("/")[0]
        if wanted and not any(map(self.reaches_model, {head, models.providers.own_name(head)})):
            raise denial("llm", wanted)
        name = await models.name(wanted)
        self.demand("llm", name)
        return name

    def reaches_model(self, provider: str) -> bool:
        """Whether a grant may cover a model of this provider."""
        return self.policy.reaches("llm", f"{provider}/")

    def demand(self, kind: str, resource: str) -> None:
        """Raises Denied unless a grant covers `resource`."""
        self.policy.demand(kind, resource)
