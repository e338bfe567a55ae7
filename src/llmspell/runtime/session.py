"""A session: what spells share (policy, limits, services) and the runs made in it.

    async with Session(level="trusted", allow=["net:api.example.com"]) as session:
        result = await session.run("research.lua", params={"topic": "rust"})
        print(result.value, result.usage.seconds)

A run gets a fresh isolate: no global of one run is ever seen by the next.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import cache
from time import time
from typing import TYPE_CHECKING, Any, TextIO

from ..engines import SUFFIXES, TRUSTED_ONLY, engine
from ..engines.base import Engine, Remote
from ..errors import (
    IsolationError,
    LlmspellError,
    OutputLimit,
    ParamError,
    ScriptRuntimeError,
    UsageError,
)
from ..host.context import Context
from ..host.services import Services
from ..host.settings import Environment, Settings
from ..host.tools import Tool, Toolbox
from ..limits import LEVEL_LIMITS, Limits, Meter, Usage
from ..policy import ISOLATIONS, Policy
from ..spells.program import Program
from ..values import CannotCross, decode, encode, refuse_references
from .catalogue import CATALOGUE, signatures
from .driver import Driver
from .gate import CallRecord, Gate
from .journal import Recorder, Replayer

if TYPE_CHECKING:
    from ..capability import Capability


Source = str | os.PathLike[str] | Program
"""A path, source text, or a program that was read already."""


class Result:
    """What a run came to.

    value: what the spell returned, or None.
    output: all it printed.
    usage: what it used.
    calls: its host calls, in the order they were answered.
    run_id: names the run in logs.
    engine, limits: what it ran in, and within.
    seed: what the random numbers of the script started from.
    isolation: each layer of isolation -> why it was not active, or "" when it was.
    error: what ended it, or None. `run` raises it; `attempt` leaves it here.
    """

    __slots__ = ("calls", "engine", "error", "isolation", "limits", "output", "run_id", "seed",
                 "usage", "value")  # fmt: skip

    def __init__(self, run_id: str, engine: Engine, limits: Limits, seed: int) -> None:
        self.run_id = run_id
        self.engine = engine
        self.limits = limits
        self.seed = seed
        self.value: Any = None
        self.output = ""
        self.usage = Usage()
        self.calls: list[CallRecord] = []
        self.isolation: dict[str, str] = {}
        self.error: LlmspellError | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON output, a complete record of the run. It holds no secret."""
        return {
            "run_id": self.run_id,
            "engine": f"{self.engine.name} ({self.engine.version})",
            "seed": self.seed,
            "limits": self.limits._asdict(),
            "result": self.value,
            "output": self.output,
            "usage": self.usage.as_dict(),
            "isolation": self.isolation,
            "error": None if self.error is None else self.error.as_dict(),
        }


class Session:
    """Runs spells under one policy. Use it as an async context manager, or call `aclose`.

    engine: an engine or its name; None goes by the file suffix, then "lua".
    level: "untrusted", "trusted" or "privileged": the grants and limits to start from.
    isolation: "process" has each spell run in a locked-down worker process, and is the default at
        level untrusted; "none" runs it in this process.
    require: layers of isolation, such as "seccomp", without which nothing is run.
    allow: further grants, such as "fs.read:./docs/**".
    limits: replaces limits of the level: {"time": 30, "memory": "64MB"}.
    modules: script modules by name, for `require` and `import`.
    seed: where the random numbers of every spell start; each run gets its own by default.
    model: "provider/model" to use where a spell names none.
    folder: where relative paths start; the current folder by default.
    stdin: what `io.read` reads, such as sys.stdin; empty by default.
    output: gets printed text as it happens.
    log: gets (level, message, fields) of log calls.
    notify: gets one-line remarks for the person running this.
    on_call: gets a CallRecord as each call is answered.
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
        limits: Mapping[str, Any] | None = None,
        modules: Mapping[str, str] | None = None,
        seed: int | None = None,
        model: str | None = None,
        folder: str | os.PathLike[str] = ".",
        settings: Settings | None = None,
        stdin: TextIO | None = None,
        output: Callable[[str], None] | None = None,
        log: Callable[[str, str, dict[str, object]], None] | None = None,
        notify: Callable[[str], None] | None = None,
        on_call: Callable[[CallRecord], None] | None = None,
        record: str | os.PathLike[str] | None = None,
        replay: str | os.PathLike[str] | None = None,
    ) -> None:
        self.policy = Policy(level, allow, os.fspath(folder))
        self.limits = LEVEL_LIMITS[level].updated(limits or {})
        self.engine = engine
        self.isolation = isolation or ("process" if level == "untrusted" else "none")
        self.require = tuple(require)
        self._check_isolation()
        self.seed = seed
        self.modules = dict(modules or {})
        self.output = output
        self.on_call = on_call
        settings = settings or Settings.load(os.environ, self.policy.base)
        keys = [p.api_key_env for p in settings.providers.values() if p.api_key_env]
        environment = Environment(os.environ, self.policy.base, keys)
        self.services = Services(
            policy=self.policy,
            settings=settings,
            environment=environment,
            model=model,
            notify=notify or (lambda text: None),
            log=log or (lambda level, message, fields: None),
            stdin=stdin,
        )
        if record is not None and replay is not None:
            raise UsageError("record and replay exclude each other")
        self.journal: Recorder | Replayer | None = None
        if record is not None:
            self.journal = Recorder(record)
        elif replay is not None:
            self.journal = Replayer(replay)

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
        return self

    async def __aexit__(self, *details: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes every service: no socket, file or task stays behind."""
        self._close_journal()
        await self.services.aclose()

    def _close_journal(self) -> None:
        if self.journal is not None:
            self.journal.close()

    async def run(
        self,
        source_or_path: Source,
        params: Mapping[str, Any] | None = None,
        *,
        limits: Mapping[str, Any] | None = None,
    ) -> Result:
        """Runs a spell. Raises what ended it; `error.result` then holds what ran before."""
        return _raised(await self.attempt(source_or_path, params, limits=limits))

    async def attempt(
        self,
        source_or_path: Source,
        params: Mapping[str, Any] | None = None,
        *,
        limits: Mapping[str, Any] | None = None,
    ) -> Result:
        """Runs a spell and gives its result, with the error that ended it, if any, inside."""
        run = Run(self, Program.of(source_or_path), params or {}, limits or {})
        try:
            return await run.attempt()
        finally:
            await run.close()

    def run_sync(
        self,
        source_or_path: Source,
        params: Mapping[str, Any] | None = None,
        *,
        limits: Mapping[str, Any] | None = None,
    ) -> Result:
        """`run` for programs without an event loop. Closes the session."""
        return _raised(self.attempt_sync(source_or_path, params, limits=limits))

    def attempt_sync(
        self,
        source_or_path: Source,
        params: Mapping[str, Any] | None = None,
        *,
        limits: Mapping[str, Any] | None = None,
    ) -> Result:
        """`attempt` for programs without an event loop. Closes the session.

        A spell that waits for nothing ends before an event loop is even imported.
        """
        asyncio = sys.modules.get("asyncio")
        if asyncio is not None and asyncio._get_running_loop() is not None:
            raise UsageError("run_sync cannot be used inside an event loop: await run() instead")
        run = Run(self, Program.of(source_or_path), params or {}, limits or {})
        if not run.remote:
            run.begin()
            if run.advance() and not run.open and not self.services.open:
                run.isolate.close()
                self._close_journal()
                return run.result

        async def rest() -> Result:
            try:
                return await (run.attempt() if run.remote else run.finish())
            finally:
                await run.close()
                await self.aclose()

        from asyncio import run as run_loop

        return run_loop(rest())


class Run:
    """One run of one program, from compiling to closing."""

    def __init__(
        self,
        session: Session,
        program: Program,
        params: Mapping[str, Any],
        limits: Mapping[str, Any],
    ) -> None:
        self._program = program
        self._session = session
        bounds = session.limits.updated(limits)
        chosen = session.engine or SUFFIXES.get(program.suffix, "lua")
        self._engine = _engine(chosen, session.isolation)
        name = self._engine.name
        if name in TRUSTED_ONLY and session.policy.level == "untrusted":
            raise UsageError(f"the engine {name} is not for level untrusted: its limits are softer")
        for limit in ("steps", "memory"):
            if getattr(bounds, limit) is not None and limit not in self._engine.features:
                raise UsageError(f"the engine {name} cannot keep a {limit} limit")
        run_id = f"{int(time() * 1000):x}-{os.urandom(4).hex()}"
        seed = int.from_bytes(os.urandom(4)) >> 1 if session.seed is None else session.seed
        self.result = Result(run_id, self._engine, bounds, seed)
        self.params = _parameters(params, bounds.depth)
        self.isolate = self._engine.isolate(signatures(), bounds)
        self.remote = isinstance(self.isolate, Remote)
        if session.isolation == "process" and not self.remote:
            raise UsageError(f"the engine {name} was given as an object, which cannot be isolated")
        self.driver = Driver(self.isolate, bounds, Meter(bounds, self.result.usage))
        self._hide = session.services.environment.filter
        self.driver.gate = self.gate = Gate(
            CATALOGUE,
            self.driver.call_function,
            session.journal,
            session.on_call,
            self._hide.text,
        )
        self._output: list[str] = []
        self._sources = {program.name: program.source}
        self.gate.context = Context(
            policy=session.policy,
            meter=self.driver.meter,
            services=session.services,
            invoke=self.gate.call,
            write=self._write,
            load_module=self._load_module,
            tools=Toolbox(builtin_tools),
        )

    @property
    def open(self) -> bool:
        """Whether the run holds host objects that must be closed."""
        return self.gate.open

    async def attempt(self) -> Result:
        """Runs from beginning to end."""
        if isinstance(self.isolate, Remote):
            connect = self.isolate.connect
            try:
                self.result.isolation = await connect(self.driver.deliver, self.driver.fail)
            except LlmspellError as error:
                self.driver.fail(error)
                self._conclude()
                return self.result
        self.begin()
        return await self.finish()

    def _check_layers(self) -> None:
        """Refuses to run where a required layer is not active."""
        active = self.result.isolation
        absent = "not there" if self.remote else "the spell is not isolated"
        missing = [layer for layer in self._session.require if active.get(layer, absent)]
        if missing:
            why = "; ".join(f"{layer}: {active.get(layer) or absent}" for layer in missing)
            raise IsolationError(f"a layer of isolation that is required is missing: {why}")

    def begin(self) -> None:
        """Compiles the program and runs its first turn."""
        try:
            self._check_layers()
            chunk = self._engine.compile(self._program.source, self._program.name)
        except LlmspellError as error:
            self.driver.fail(error)
        else:
            self.driver.start(chunk, self.params, self.result.seed)

    def advance(self) -> bool:
        """Runs as far as possible without waiting. Tells whether the run has ended."""
        over = self.driver.advance()
        if over:
            self._conclude()
        return over

    async def finish(self) -> Result:
        """Runs to the end."""
        await self.driver.finish()
        self._conclude()
        return self.result

    async def close(self) -> None:
        """Frees the isolate and whatever the script left open."""
        self.isolate.close()
        await self.gate.close()

    def _conclude(self) -> None:
        ended = self.driver.result
        assert ended is not None
        self.driver.usage()
        # Once more, as a whole: a secret may have been printed in pieces.
        self.result.output = self._hide.text("".join(self._output))
        self.result.calls = self.gate.records
        if ended.error is not None:
            self.result.error = self._located(ended.error)
            ended.error.host_error = self.gate.failures.get(ended.error.message)
            return
        told = self._hide.text(ended.value.decode())
        value = decode(told.encode(), self.driver.call_function)
        try:
            refuse_references(value, "the result")
        except CannotCross as error:
            self.result.error = ScriptRuntimeError(str(error))
        else:
            self.result.value = value

    def _located(self, error: LlmspellError) -> LlmspellError:
        """Adds the source line the error names. What a script raised may hold what it read."""
        error.message = self._hide.text(error.message)
        error.args = (error.message,)
        if isinstance(error, ScriptRuntimeError):
            error.value = self._hide.data(error.value)
        source = self._sources.get(error.file, "")
        if 0 < error.line <= source.count("\n") + 1:
            line = source.split("\n")[error.line - 1].rstrip()
            error.source_line = self._hide.text(line)
        return error

    def _write(self, text: str) -> None:
        text = self._hide.text(text)
        kept = self.driver.meter.charge_output(text)
        self._output.append(kept)
        if self._session.output is not None:
            self._session.output(kept)
        if len(kept) < len(text):
            raise OutputLimit(f"{self.driver.limits.output} bytes")

    def _load_module(self, name: str) -> tuple[str, str] | None:
        """Modules given by the caller first, then those beside the program and in its lib/."""
        found = self._find_module(name)
        if found is not None:
            source, shown = found
            self._sources[shown] = source
        return found

    def _find_module(self, name: str) -> tuple[str, str] | None:
        given = self._session.modules.get(name)
        if given is not None:
            return given, name
        folder = self._program.folder
        if folder is None or ".." in name or name.startswith("/"):
            return None
        from pathlib import Path

        from ..host.files import Files

        own = Files(Path(folder), Policy("untrusted", [f"fs.read:{folder}/**"]).demand)
        for suffix in self._engine.suffixes:
            relative = name.replace(".", "/") + suffix
            for path in (relative, f"lib/{relative}"):
                if own.exists(path):
                    return own.read(path).decode(errors="replace"), path
        return None


def _engine(chosen: str | Engine, isolation: str) -> Engine:
    if not isinstance(chosen, str):
        return chosen
    if isolation == "none":
        return engine(chosen)
    from .isolation import isolated

    return isolated(chosen)


def _parameters(params: Mapping[str, Any], depth: int) -> bytes:
    try:
        return encode(dict(params), "params", depth)
    except CannotCross as error:
        raise ParamError(str(error)) from None


@cache
def builtin_tools() -> dict[str, Tool]:
    """Every capability a model may call, as a tool."""
    return {
        item.tool: Tool(item.tool, item.doc, item.schema(), _tool_call(item), "builtin")
        for item in CATALOGUE.values()
        if item.tool
    }


def _tool_call(item: Capability) -> Callable[[Context, dict[str, Any]], Awaitable[Any]]:
    async def call(ctx: Context, args: dict[str, Any]) -> Any:
        return await ctx.invoke(item.name, *(args.get(p.name) for p in item.params))

    return call


def _raised(result: Result) -> Result:
    if result.error is not None:
        result.error.result = result
        raise result.error
    return result
