"""One run of one program: its isolate, its driver, its gate, and what it came to."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from time import time
from typing import TYPE_CHECKING, Any

from ..engines import SUFFIXES, TRUSTED_ONLY, engine
from ..engines.base import Chunk, Engine, Isolate, Remote, Sandbox
from ..errors import (
    Frame,
    InternalError,
    IsolationError,
    LlmspellError,
    OutputLimit,
    ParamError,
    ScriptRuntimeError,
    ScriptSyntaxError,
    SpellCrashed,
    UsageError,
)
from ..host.context import Context
from ..limits import Limits, Meter
from ..spells.program import Program
from ..values import MAX_DEPTH, CannotCross, decode, encode, refuse_references
from .arguments import check
from .driver import Driver
from .gate import Gate
from .journal import new_seed
from .result import Result

if TYPE_CHECKING:
    from .checkpoint import Checkpoint
    from .journal import Journal
    from .keeper import Keeping
    from .lifecycle import Life
    from .modules import View
    from .nested import Nest
    from .quota import Share
    from .session import Session


class Run:
    """One run of one program, from compiling to closing."""

    def __init__(
        self,
        session: Session,
        program: Program,
        params: Mapping[str, Any],
        limits: Mapping[str, Any] | str,
        keeping: Keeping | None = None,
        inside: Nest | None = None,
    ) -> None:
        check(params=params)
        self._program = program
        self._session = session
        self._inside = inside
        # A nested run waits for no place in a pool: the run that waits for it has one.
        self._pool = session.pool if inside is None else None
        bounds = session.limits.updated(limits)
        if keeping is not None:
            # What is restored knows only answers of calls: a handler would not run again.
            bounds = bounds._replace(warn=None)
        if inside is None:
            chosen = session.engine or program.engine or _language(program)
            isolation = session.isolation_of(program)
            self._engine = engine_for(chosen, isolation)
        else:
            isolation, self._engine = session.isolation, inside.engine(program.suffix)
        if isolation == "process":
            bounds = bounds._replace(depth=min(bounds.depth, MAX_DEPTH))  # no more can cross
        self._life: Life | None = None
        name = self._engine.name
        if name in TRUSTED_ONLY and session.policy.level == "untrusted":
            raise UsageError(f"the engine {name} is not for level untrusted: its limits are softer")
        for limit in ("steps", "memory"):
            if getattr(bounds, limit) is not None and limit not in self._engine.features:
                raise UsageError(f"the engine {name} cannot keep a {limit} limit")
        if session.locals and "locals" not in self._engine.features:
            raise UsageError(f"the engine {name} cannot tell what variables held")
        self._sandbox = self._sandbox_of(session.sandbox)
        run_id = f"{int(time() * 1000):x}-{os.urandom(4).hex()}"
        if session.journal is not None and inside is None:
            seed = session.journal.seed(session.seed)
        else:
            seed = new_seed() if session.seed is None else session.seed
        self._keeping = keeping
        if keeping is not None:
            seed = keeping.check(self._engine, program, session, seed)
        self.result = Result(run_id, self._engine, bounds, seed)
        self.params = _parameters(params, bounds.depth)
        self._share: Share | None = None
        self.isolate = self._isolate(bounds)
        try:
            self._connect(bounds, isolation)
            if keeping is not None:
                keeping.begin(self)
        except BaseException:
            self.release()
            raise

    def _connect(self, bounds: Limits, isolation: str) -> None:
        """Joins the isolate, its driver, the gate and what capabilities may use."""
        session, inside, keeping = self._session, self._inside, self._keeping
        self.isolate.compile_with(self._compile)
        # A protocol takes 20 us to ask.
        self.remote = hasattr(self.isolate, "connect") and isinstance(self.isolate, Remote)
        if isolation == "process" and not self.remote:
            raise UsageError(
                f"the engine {self._engine.name} was given as an object, which cannot be isolated"
            )
        if self.remote:
            from .frames import MAX_TEXT

            if len(self.params) > MAX_TEXT:
                raise ParamError(f"params are larger than {MAX_TEXT} bytes")
        if session.tenant is not None:
            from .quota import Share

            self._share = Share(session.tenant, bounds)
            if not self.remote:
                self.isolate = self._share.isolate(self.isolate)
        meter = Meter(bounds, self.result.usage, session.tenant)
        if inside is not None:
            meter = inside.meter(bounds, self.result.usage)
        self._hide = session.services.environment.filter
        self.driver: Driver
        journal: Journal | None = session.journal if inside is None else None
        invoke: Callable[..., Awaitable[Any]] | None = None
        if keeping is None:
            self.driver = Driver(self.isolate, bounds, meter)
        else:
            resumable = keeping.driver(self.isolate, bounds, meter, self._hide)
            self.driver, journal, invoke = resumable, resumable, resumable.invoke
        self.driver.gate = self.gate = Gate(
            session.catalogue,
            self.driver.call_function,
            journal,
            session.on_call,
            self._hide.text,
            session.on_warning,
        )
        self._output: list[str] = []
        self._sources = {self._program.name: self._program.source}
        self._modules = None if session.found_modules is None else self._view_of_modules()
        self.gate.context = Context(
            policy=session.policy,
            meter=self.driver.meter,
            services=session.services,
            invoke=invoke or self.gate.call,
            write=self._write,
            load_module=self._load_module,
            tools=session.toolbox if inside is None else inside.toolbox,
            sources=self._sources,
            run_id=self.result.run_id,
            measure=self.driver.usage,
            alone=self.driver.alone,
            adopt=self.gate.adopt,
            keep=self.gate.keep,
            nest=lambda: self.nest,
            beside=None if inside is None else inside.beside,
        )
        if session.hooks:
            self.gate.context.hooks.fix(session.hooks)

    def _sandbox_of(self, wanted: tuple[str, ...]) -> Sandbox | None:
        """The sandbox of the session; None where it takes nothing away."""
        if not wanted or wanted == ("minimal",):
            return None
        if "sandbox" not in self._engine.features:
            raise UsageError(f"the engine {self._engine.name} cannot keep a sandbox")
        from ..engines.sandbox import sandbox

        return sandbox(self._engine.suffixes[0][1:], wanted)

    def _isolate(self, bounds: Limits) -> Isolate:
        """One that is ready, or a new one."""
        session, pool = self._session, self._pool
        taken = pool.take(self._engine, bounds) if pool is not None else None
        if taken is not None:
            isolate, self._life = taken
        else:
            session.cache.lend(self._engine)
            isolate = self._engine.isolate(session.names, bounds)
            if pool is not None:
                pool.missed(self._engine, isolate, bounds)
            if session.lives is not None:
                generation = pool.generation if pool is not None else 1
                self._life = session.lives.begin(self._engine.name, generation)
        if self._life is not None:
            self._life.tell("activated")
        if pool is not None:
            pool.enter(self)
        return isolate

    @cached_property
    def nest(self) -> Nest:
        """What runs other spells for this one."""
        from .nested import Nest

        return Nest(self, self._inside)

    @property
    def open(self) -> bool:
        """Whether the run holds host objects that must be closed."""
        return self.gate.open

    async def attempt(self) -> Result:
        """Runs from beginning to end."""
        self._session.neighbours.enter(self.driver)
        if self.remote and isinstance(self.isolate, Remote):
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
            self._check_text()
            if self._share is not None:
                self._share.begin(self.remote)
            if self._session.locals:
                self.isolate.reveal()
            if self._keeping is not None:
                self.isolate.reproduce()
            if self._sandbox is not None:
                self.isolate.restrict(self._sandbox)
            chunk = self._compile(self._program.source, self._program.name)
        except LlmspellError as error:
            self.driver.fail(error)
        else:
            self.driver.start(chunk, self.params, self.result.seed)

    def _check_text(self) -> None:
        """Refuses a program that is not UTF-8 text: half of a surrogate pair, say."""
        source, name = self._program.source, self._program.name
        try:
            source.encode()
        except UnicodeEncodeError as error:
            self._sources.clear()
            frames = (Frame(name, source.count("\n", 0, error.start) + 1),)
            raise ScriptSyntaxError("the source is not UTF-8 text", frames=frames) from None

    def advance(self) -> bool:
        """Runs as far as possible without waiting. Tells whether the run has ended."""
        over = self.driver.advance()
        if over:
            self._conclude()
        return over

    async def finish(self) -> Result:
        """Runs to the end."""
        self._session.neighbours.enter(self.driver)
        await self.driver.finish()
        self._conclude()
        return self.result

    def checkpoint(self) -> Checkpoint:
        """The run as it is now."""
        assert self._keeping is not None
        return self._keeping.keeper.checkpoint()

    @property
    def program(self) -> Program:
        """What is run."""
        return self._program

    @property
    def session(self) -> Session:
        """What it is run in."""
        return self._session

    async def close(self) -> None:
        """Frees the isolate and whatever the script left open."""
        if self._keeping is not None:
            self._keeping.keeper.close()
        self._session.neighbours.leave(self.driver)
        self.release()
        await self.gate.close()
        self.isolate.compile_with(self._engine.compile)
        del self.driver.gate, self.gate.context
        self.__dict__.pop("nest", None)  # a cycle, which only the collector frees

    def release(self) -> None:
        """Frees the isolate."""
        self.isolate.close()
        if self._share is not None:
            self._share.end()
        if self._life is not None:
            error = self.result.error
            if isinstance(error, SpellCrashed | InternalError):
                self._life.tell("error", str(error))
            self._life.tell("closed", "" if error is None else error.code)
            self._life = None
        if self._pool is not None:
            self._pool.leave(self)

    def _conclude(self) -> None:
        ended = self.driver.result
        assert ended is not None
        self.driver.usage()
        self._session.peak_memory = max(self._session.peak_memory, self.result.usage.memory)
        # Once more, as a whole: a secret may have been printed in pieces.
        self.result.output = self._hide.text("".join(self._output))
        self.result.calls = self.gate.records
        if ended.error is not None:
            error = self.result.error = self._located(self.gate.recognized(ended.error))
            error.host_error = self.gate.failures.get(error.message)
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
        """The error without secrets, with the source line it names and what may help."""
        from ..records import locate
        from .misspellings import add_advice

        locate(error, self._sources, self._hide.data)
        source = self._sources.get(error.file, "")
        return add_advice(error, self._session.names, self._engine, source)

    def _write(self, text: str) -> None:
        text = self._hide.text(text)
        kept = self.driver.meter.charge_output(text)
        self._output.append(kept)
        if self._session.output is not None and self._inside is None:
            self._session.output(kept)
        if len(kept) < len(text):
            raise OutputLimit(f"{self.driver.limits.output} bytes")

    def _compile(self, source: str, name: str) -> Chunk:
        """Through the cache, unless it is text a script made itself, or is compiled elsewhere."""
        if self.remote or self._sources.get(name) != source:
            return self._engine.compile(source, name)
        return self._session.cache.compile(self._engine, source, name)

    def _load_module(self, name: str) -> tuple[str, str] | None:
        """Modules given by the caller first, then those beside the program and in its lib/."""
        self._modules = self._modules or self._view_of_modules()
        found = self._modules.find(name)
        if found is None:
            return None
        self._sources[found.name] = found.source
        return found.source, found.name

    def _view_of_modules(self) -> View:
        from .modules import Modules

        session = self._session
        session.found_modules = session.found_modules or Modules(session.cache.sources)
        return session.found_modules.view(
            session.modules, self._program.folder, self._engine.suffixes
        )


def engine_for(chosen: str | Engine, isolation: str) -> Engine:
    """The engine of a name, isolated or not; one that was given is taken as it is."""
    if not isinstance(chosen, str):
        if not hasattr(chosen, "isolate"):
            kind = type(chosen).__name__
            raise UsageError(f"engine must be the name of an engine, or an engine, got {kind}")
        return chosen
    if isolation == "none":
        return engine(chosen)
    from .isolation import isolated

    return isolated(chosen)


def _language(program: Program) -> str:
    """The engine that the suffix of a file means; Lua where there is no suffix."""
    if not program.suffix:
        return "lua"
    if program.suffix not in SUFFIXES:
        known = " ".join(SUFFIXES)
        raise UsageError(
            f"{program.name} does not end as spells do ({known}): name its language, --engine lua"
        )
    return SUFFIXES[program.suffix]


def _parameters(params: Mapping[str, Any], depth: int) -> bytes:
    try:
        return encode(dict(params), "params", depth)
    except CannotCross as error:
        raise ParamError(str(error)) from None


def raised(result: Result) -> Result:
    """The result, or raises what ended it."""
    if result.error is not None:
        result.error.result = result
        raise result.error
    return result
