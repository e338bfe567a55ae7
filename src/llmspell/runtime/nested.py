"""Runs inside a run: the door that `spell.run` goes through.

A nested run has an isolate, a gate and a driver of its own, in the same session. Its calls are in
no journal: the one call that made it is. Cancelling that call cancels it, and what is below it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..engines import SUFFIXES
from ..engines.base import Engine
from ..errors import HostFailure
from ..host.spells import FAMILY, MAX_DEPTH, MAX_RUNNING, Ended, InnerMeter, SpellFile, SpellRun
from ..host.usage import report
from ..limits import Limits
from ..spells.program import Program

if TYPE_CHECKING:
    from ..host.beside import Beside
    from ..host.tools.toolbox import Toolbox
    from .run import Run


class Nest:
    """Makes the nested runs of one run.

    running, given: how many there are now in the whole family, and the bytes they may hold; the
        outermost counts.
    """

    def __init__(self, outer: Run, above: Nest | None) -> None:
        self._outer = outer
        self.depth: int = 0 if above is None else above.depth + 1
        self._root: Nest = self if above is None else above._root
        self.running = self.given = 0
        self.steps = 0
        self.cpu = 0.0

    @property
    def folder(self) -> str | None:
        """Folder of the program."""
        return self._outer.program.folder

    @property
    def suffixes(self) -> tuple[str, ...]:
        """How the names of spells end."""
        return tuple(SUFFIXES)

    @property
    def room(self) -> int | None:
        """Bytes that may still be given to spells of the family; None without a limit."""
        root = self._root
        limit = root._outer.driver.limits.memory
        return None if limit is None else max(0, FAMILY * limit - root.given)

    def engine(self, suffix: str) -> Engine:
        """The engine for a spell, isolated as that of this run is.

        It is that of the session where it is of this language.
        """
        from .run import engine_for

        outer = self._outer
        isolation = "process" if outer.remote else outer.session.isolation
        if outer.session.engine is not None:
            given = engine_for(outer.session.engine, isolation)
            if suffix in given.suffixes:
                return given
        return engine_for(SUFFIXES[suffix], isolation)

    async def run(self, file: SpellFile, params: dict[str, Any], limits: Limits) -> Ended:
        """Runs a spell to its end. Raises HostFailure where there are too many."""
        from .run import Run

        if self.depth == MAX_DEPTH:
            told = f"spells run each other at most {MAX_DEPTH} deep"
            raise HostFailure(f"{file.name} was not run: {told}", code="too_deep")
        if self._root.running == MAX_RUNNING:
            told = f"at most {MAX_RUNNING} spells run at the same time inside one"
            raise HostFailure(f"{file.name} was not run: {told}", code="too_many")
        self._root.running += 1
        self._root.given += limits.memory or 0
        try:
            inner = Run(self._outer.session, Program(*file), params, limits._asdict(), inside=self)
            meter: Any = inner.driver.meter
            try:
                result = await inner.attempt()
            except Exception as error:
                self._outer.driver.broke(error)  # nothing that a script is told
                raise
            finally:
                self._take(inner, meter)
                try:
                    await inner.close()
                finally:
                    meter.end()  # what is closed gives back its own before
        finally:
            self._root.running -= 1
            self._root.given -= limits.memory or 0
        run = SpellRun(result.value, result.output, report(meter))
        return Ended(run, result.error, isinstance(meter, InnerMeter) and meter.above)

    def meter(self, limits: Limits, usage: Any) -> InnerMeter:
        """The meter of a nested run, below that of this one."""
        return InnerMeter(limits, self._outer.driver.meter, usage)

    def beside(self) -> Beside:
        """What does long work of a nested run: that of this one."""
        return self._outer.gate.context.beside

    def toolbox(self) -> Toolbox:
        """The tools of a nested run, under the rules that the script of this one has added."""
        tools = self._outer.session.toolbox()
        tools.restrictions.above = self._outer.gate.context.tools.restrictions
        return tools

    def _take(self, inner: Run, meter: Any) -> None:
        below = inner.nest
        self.steps += meter.usage.steps + below.steps
        self.cpu += meter.usage.cpu + below.cpu
