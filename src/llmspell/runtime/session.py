"""A session: what spells share (policy, limits, services) and the runs made in it.

    async with Session(level="trusted", allow=["net:api.example.com"]) as session:
        result = await session.run("research.lua", params={"topic": "rust"})
        print(result.value, result.usage.seconds)

A run gets a fresh isolate: no global of one run is ever seen by the next.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TextIO

from ..engines.base import Engine
from ..errors import UsageError
from ..host.services import Services
from ..host.settings import Environment, Settings
from ..limits import LEVEL_LIMITS, Tenant
from ..policy import ISOLATIONS, Policy
from ..spells.program import Program
from .arguments import check
from .cache import ChunkCache, shared
from .catalogue import builtin_tools, names, preload_namespaces, selection
from .gate import CallRecord
from .journal import Recorder, Replayer
from .result import Result
from .run import Run, engine_for, raised

if TYPE_CHECKING:
    from ..host.agents.hooks import Hook
    from ..host.channels import SharedChannel
    from ..host.llm.given import Given
    from ..host.tools.approvals import Approve
    from ..host.tools.toolbox import Tool, Toolbox
    from ..host.usage import ResourceUsage
    from .checkpoint import Checkpoint
    from .deadlocks import Neighbours
    from .functions import Function
    from .lifecycle import LifecycleEvent, Lives
    from .modules import Modules
    from .pool import Pool
    from .running import Running


Source = str | os.PathLike[str] | Program
"""A path, source text, or a program that was read already."""


class Session:
    """Runs spells under one policy. Use it as an async context manager, or call `aclose`.

    engine: an engine or its name; None goes by the file suffix, then "lua".
    level: "untrusted", "trusted" or "privileged": the grants and limits to start from.
    isolation: "process" has each spell run in a locked-down worker process, and is the default at
        level untrusted; "none" runs it in this process.
    require: layers of isolation, such as "seccomp", without which nothing is run.
    allow: further grants, such as "fs.read:./docs/**".
    limits: replaces limits of the level: {"time": 30, "memory": "64MB"}, or names a profile of
        them: "strict", {"profile": "strict", "time": 60}.
    functions: functions of this program by name, such as "shop.price", for its scripts to call.
    tools: functions of this program that are tools, typed and documented; see `llmspell.tool`.
    hooks: functions before and after requests to models and calls of tools, by ids of your choice:
        {"audit": {"before_generate": f, "priority": 1}}; see docs/agents.md.
    tool_rules: which tools may be run: {"file_*": "ask", "process_exec": "deny"}; the last pattern
        that matches decides, and those of the settings come first.
    approve: is given a ToolRequest where a rule says "ask", and tells whether it may be run; a
        function or a coroutine function. Without it such calls are refused.
    tenant: whose quotas of memory, runs, tokens and dollars its runs share with others.
    sandbox: how much of its language's library a script has: "minimal" (all, the default),
        "standard", "strict", or a list such as ["string.*", "math.floor"].
    modules: script modules by name, for `require` and `import`.
    features: feature sets or namespaces to offer, such as "llm"; all there are by default.
    preload: namespaces or feature sets to import now and not at their first call.
    cache: where compiled programs are kept; sessions of a process share one by default.
    seed: where the random numbers of every spell start, from 0 to 2^31-1; each run gets its own
        by default.
    model: "provider/model" to use where a spell names none.
    models: models of this program by name or pattern: {"acme/large": a pydantic-ai model}, or what
        answers in place of models: doubles as `testing` makes them.
    folder: where relative paths start; the current folder by default.
    settings: a Settings, in place of what the configuration files say.
    stdin: what `io.read` reads, such as sys.stdin; empty by default.
    output: gets printed text as it happens.
    log: gets (level, message, fields) of log calls.
    notify: gets one-line remarks for the person running this.
    on_call: gets a CallRecord as each call is answered.
    on_warning: gets what a run has used when it comes near a limit, once for each limit.
    on_lifecycle: gets a LifecycleEvent as isolates are made, given to runs and closed.
    pool: a Pool, or its numbers such as {"min": 4, "max": 100}: isolates made ahead, and a bound
        on the runs at the same time. None has each run make its own.
    locals: has errors tell what the variables of their frames held, as short text.
    record, replay: a file to record the calls of the next runs to, or to answer them from.
    """

    def __init__(
        self,
        *,
        engine: str | Engine | None = None,
        level: str = "trusted",
        isolation: str | None = None,
        require: Iterable[str] = (),
        allow: Iterable[str] = (),
        limits: Mapping[str, Any] | str | None = None,
        functions: Mapping[str, Callable[..., Any] | Function] | None = None,
        tools: Iterable[Callable[..., Any]] = (),
        hooks: Mapping[str, Mapping[str, Any]] | None = None,
        tool_rules: Mapping[str, str] | None = None,
        approve: Approve | None = None,
        tenant: Tenant | None = None,
        sandbox: str | Iterable[str] | None = None,
        modules: Mapping[str, str] | None = None,
        features: str | Iterable[str] | None = None,
        preload: str | Iterable[str] = (),
        cache: ChunkCache | None = None,
        seed: int | None = None,
        model: str | None = None,
        models: Mapping[str, Given] | None = None,
        folder: str | os.PathLike[str] = ".",
        settings: Settings | None = None,
        stdin: TextIO | None = None,
        output: Callable[[str], None] | None = None,
        log: Callable[[str, str, dict[str, object]], None] | None = None,
        notify: Callable[[str], None] | None = None,
        on_call: Callable[[CallRecord], None] | None = None,
        on_warning: Callable[[ResourceUsage], None] | None = None,
        on_lifecycle: Callable[[LifecycleEvent], None] | None = None,
        pool: Pool | Mapping[str, Any] | None = None,
        locals: bool = False,
        record: str | os.PathLike[str] | None = None,
        replay: str | os.PathLike[str] | None = None,
    ) -> None:
        check(
            functions=functions, hooks=hooks, tool_rules=tool_rules, modules=modules,
            models=models, require=require, tools=tools, tenant=tenant, settings=settings,
            model=model, seed=seed, approve=approve, output=output, log=log, notify=notify,
            on_call=on_call, on_warning=on_warning, on_lifecycle=on_lifecycle, sandbox=sandbox,
            features=features, preload=preload, folder=folder, cache=cache, record=record,
            replay=replay,
        )  # fmt: skip
        if record is not None and replay is not None:
            raise UsageError("record and replay exclude each other")
        self.policy = Policy(level, allow, os.fspath(folder))
        self.limits = LEVEL_LIMITS[level].updated(limits or {})
        self.tenant = tenant
        self.peak_memory = 0
        self.engine = engine
        self.isolation = isolation or ("process" if level == "untrusted" else "none")
        self._isolation_given = isolation is not None
        self.require = tuple(require)
        self._check_isolation()
        self.seed = seed
        self.modules = dict(modules or {})
        self.output = output
        self.on_call = on_call
        self.on_warning = on_warning
        self.locals = locals
        settings = settings or Settings.load(os.environ, self.policy.base)
        self.sandbox = _words(settings.sandbox if sandbox is None else sandbox)
        self.features = _words(settings.features if features is None else features)
        self.catalogue, self.names = selection(self.features), names(self.features)
        self.tools: Callable[[], Mapping[str, Tool]] = partial(builtin_tools, self.features)
        tools = tuple(tools)
        if functions or tools:
            from .functions import Functions

            given = Functions(functions or {}, tools, self.features)
            self.catalogue, self.names, self.tools = given.catalogue, given.names, given.tools
        self.hooks: list[Hook] = []
        if hooks:
            from ..host.agents.hooks import of_program

            self.hooks = of_program(hooks)
        self.tool_rules = {**settings.tools, **(tool_rules or {})}
        self.approve = approve
        if self.tool_rules:
            self.toolbox()  # a rule that is none is refused now
        if preload:
            preload_namespaces(_words(preload), self.features)
        self.cache = cache or shared(settings.cache_folder(os.environ))
        self.found_modules: Modules | None = None
        environment = Environment(os.environ, self.policy.base, settings.key_names)
        self.services = Services(
            policy=self.policy,
            settings=settings,
            environment=environment,
            model=model,
            notify=notify or (lambda text: None),
            log=log or (lambda level, message, fields: None),
            stdin=stdin,
            given=_checked(models) if models else None,
        )
        self.started: set[Running] = set()
        self.pool: Pool | None = None
        self.lives: Lives | None = None
        if pool is not None or on_lifecycle is not None:
            from .lifecycle import Lives

            self.lives = Lives(on_lifecycle)
        if pool is not None and self.lives is not None:
            from .pool import Pool

            self.pool = Pool.of(pool)
            self.pool.join(self, self.lives)
        self.journal: Recorder | Replayer | None = None
        if record is not None:
            self.journal = Recorder(record)  # last: it begins the file anew
        elif replay is not None:
            self.journal = Replayer(replay)

    def toolbox(self) -> Toolbox:
        """The tools of one run, and who may use them."""
        from ..host.tools.approvals import Approvals
        from ..host.tools.toolbox import Toolbox

        return Toolbox(self.tools, Approvals(self.tool_rules, self.approve))

    def default_engine(self) -> Engine:
        """The engine of programs whose name does not tell."""
        return engine_for(self.engine or "lua", self.isolation)

    def isolation_of(self, program: Program) -> str:
        """Where a program runs: as this session was told, else as the program asks."""
        if self._isolation_given or self.isolation == "process":
            return self.isolation
        return program.isolation or self.isolation

    def _check_isolation(self) -> None:
        if self.isolation not in ISOLATIONS:
            known = " or ".join(ISOLATIONS)
            raise UsageError(f"{self.isolation!r} is not an isolation: use {known}")
        if self.isolation == "none" and self.policy.level == "untrusted":
            raise UsageError("level untrusted always runs in a process of its own")
        if self.require:
            from .lockdown import LAYERS

            for layer in self.require:
                if layer not in LAYERS:
                    raise UsageError(f"{layer!r} is not a layer: use some of {', '.join(LAYERS)}")

    async def __aenter__(self) -> Session:
        if self.pool is not None:
            await self.pool.start()
        return self

    async def __aexit__(self, *details: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes every service: no socket, file or task stays behind.

        Runs of a pool are ended; `await pool.aclose(seconds)` before waits for them.
        """
        for running in list(self.started):
            await running.cancel()
        if self.pool is not None:
            await self.pool.aclose()
        self._close_journal()
        await self.services.aclose()

    def _close_journal(self) -> None:
        if self.journal is not None:
            self.journal.close()

    @property
    def memory(self) -> int:
        """Bytes that its scripts hold now; `peak_memory` is the most that one of them held."""
        held = self.neighbours.memory() if "neighbours" in self.__dict__ else []
        self.peak_memory = max(self.peak_memory, *held, 0)
        return sum(held)

    @cached_property
    def neighbours(self) -> Neighbours:
        """The runs that wait for something: they may wait for each other."""
        from .deadlocks import Neighbours

        return Neighbours()

    def channel(self, name: str, capacity: int | None = None) -> SharedChannel:
        """The channel that spells get by `channel.open(name)`, for this program to talk with them.

        capacity: how many values it keeps when this makes it; 0 by default.
        Raises UsageError for a name or capacity that cannot be, and in a replay, which has none.
        """
        from ..host.channels import SharedChannel

        if self.journal is not None and self.journal.replays:
            raise UsageError("a replay has no channels: the recording answers for the program")
        return SharedChannel(self.services.channels, name, capacity)

    async def run(
        self,
        source_or_path: Source,
        params: Mapping[str, Any] | None = None,
        *,
        limits: Mapping[str, Any] | str | None = None,
    ) -> Result:
        """Runs a spell. Raises what ended it; `error.result` then holds what ran before."""
        return raised(await self.attempt(source_or_path, params, limits=limits))

    async def attempt(
        self,
        source_or_path: Source,
        params: Mapping[str, Any] | None = None,
        *,
        limits: Mapping[str, Any] | str | None = None,
    ) -> Result:
        """Runs a spell and gives its result, with the error that ended it, if any, inside."""
        program = Program.of(source_or_path, self.cache.sources)
        if self.pool is None:
            return await self._attempt(program, params, limits)
        async with self.pool.place():
            return await self._attempt(program, params, limits)

    async def _attempt(
        self,
        program: Program,
        params: Mapping[str, Any] | None,
        limits: Mapping[str, Any] | str | None,
    ) -> Result:
        run = Run(self, program, params or {}, limits or {})
        try:
            return await run.attempt()
        finally:
            await run.close()

    def start(
        self,
        source_or_path: Source,
        params: Mapping[str, Any] | None = None,
        *,
        limits: Mapping[str, Any] | str | None = None,
        keep: str | os.PathLike[str] | None = None,
    ) -> Running:
        """Starts a spell that can be restored, inside an event loop, and does not wait for it.

        keep: a file that holds its checkpoint, up to date at every moment.
        Raises UsageError in a session that records or replays.
        """
        from .running import Running

        program = Program.of(source_or_path, self.cache.sources)
        return Running(self, program, params or {}, limits or {}, None, keep)

    def restore(
        self,
        checkpoint: Checkpoint,
        source_or_path: Source | None = None,
        *,
        limits: Mapping[str, Any] | str | None = None,
        keep: str | os.PathLike[str] | None = None,
    ) -> Running:
        """Starts a spell where a checkpoint of it was made, under the policy of this session.

        source_or_path: the program, to find its modules; it must not have changed. Without it, the
            program is the one in the checkpoint.
        Raises RestoreError with the first thing that is not as it was.
        """
        from .checkpoint import Checkpoint
        from .running import Running

        if not isinstance(checkpoint, Checkpoint):
            kind = type(checkpoint).__name__
            raise UsageError(f"checkpoint must be a Checkpoint, got {kind}")
        given = checkpoint.program if source_or_path is None else source_or_path
        program = Program.of(given, self.cache.sources)
        return Running(self, program, checkpoint.params, limits or {}, checkpoint, keep)

    def run_sync(
        self,
        source_or_path: Source,
        params: Mapping[str, Any] | None = None,
        *,
        limits: Mapping[str, Any] | str | None = None,
    ) -> Result:
        """`run` for programs without an event loop. Closes the session."""
        return raised(self.attempt_sync(source_or_path, params, limits=limits))

    def attempt_sync(
        self,
        source_or_path: Source,
        params: Mapping[str, Any] | None = None,
        *,
        limits: Mapping[str, Any] | str | None = None,
    ) -> Result:
        """`attempt` for programs without an event loop. Closes the session.

        A spell that waits for nothing ends before an event loop is even imported.
        """
        asyncio = sys.modules.get("asyncio")
        # Another thread may be importing it just now.
        running = getattr(asyncio, "_get_running_loop", None)
        if running is not None and running() is not None:
            raise UsageError("run_sync cannot be used inside an event loop: await run() instead")
        program = Program.of(source_or_path, self.cache.sources)
        if self.pool is not None:
            raise UsageError(
                "a session with a pool is for programs with an event loop: await run()"
            )
        run = Run(self, program, params or {}, limits or {})
        if not run.remote:
            over = True
            try:
                run.begin()
                over = run.advance() and not run.open and not self.services.open
            finally:
                if over:
                    run.release()
                    self._close_journal()
            if over:
                return run.result

        async def rest() -> Result:
            try:
                return await (run.attempt() if run.remote else run.finish())
            finally:
                await run.close()
                await self.aclose()

        from asyncio import run as run_loop

        return run_loop(rest())


def _checked(models: Mapping[str, Given]) -> dict[str, Given]:
    from ..host.llm.given import given_models

    return given_models(models)


def _words(given: str | Iterable[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)
