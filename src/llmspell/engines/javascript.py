"""The JavaScript engine: QuickJS in WebAssembly (see `quickjs`), and TypeScript without types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import Frame, ScriptSyntaxError
from ..limits import Limits
from .base import Bound, Chunk, Signature, Store, output_of
from .javascript_compiler import CHECKED, Checker, check, prelude
from .javascript_isolate import JavaScriptIsolate
from .javascript_sources import SUFFIXES, built_in
from .javascript_threads import resting, threads
from .quickjs import Image, Vm
from .quickjs_clock import ticking
from .quickjs_image import images, made_of

MAX_SOURCE = 1024 * 1024
TYPED = (".ts", ".mts")


def _made(names: Mapping[str, Signature]) -> tuple[Image, str, Mapping[str, str]]:
    """The image with these names, which of them prints, and the modules they make."""
    return images.of(prelude(names)), output_of(names), built_in(names)


class JavaScriptEngine:
    """JavaScript and TypeScript behind the engine protocol."""

    warm = "export default 1"
    features = frozenset({"steps", "preempt", "memory", "int64", "reproduce", "camel"})

    def __init__(self, name: str = "javascript", machine_code: bool = True) -> None:
        self.name = name
        self.suffixes = SUFFIXES
        self._bound = Bound(_made)
        # A process that is to be locked down is forked, or not, after the first program has run:
        # that one runs without threads. What comes then has them, and a VM to check programs with.
        self._alone = not machine_code
        self._locked = not machine_code
        self._checker: Vm | None = None
        if self._locked:
            from . import typescript as typescript  # locked down, nothing can be imported

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, not self._locked)  # in another process: without the VM

    def keep(self, store: Store | None) -> None:
        """Has the prepared VM kept there."""
        images.store = store

    @property
    def version(self) -> str:
        """The VM and what runs it."""
        return f"QuickJS-ng, {made_of()}"

    @property
    def form(self) -> str:
        """What blanks the types."""
        return f"{self.name} {made_of()}"

    def compile(self, source: str, name: str) -> Chunk:
        """Checks the syntax; blanks what only TypeScript knows."""
        if len(source) > MAX_SOURCE:
            told = f"the source is larger than {MAX_SOURCE} bytes"
            raise ScriptSyntaxError(told, frames=(Frame(name, 1),))
        before, nul, _ = source.partition("\0")
        if nul:  # the VM takes sources that end there
            line = before.count("\n") + 1
            raise ScriptSyntaxError("the source holds a NUL byte", frames=(Frame(name, line),))
        code = "//" + source[2:] if source.startswith("#!") else source
        if self.name == "typescript" or name.endswith(TYPED):
            from .typescript import blanked

            code = blanked(code, name)
        if self._checker is not None:
            check(self._checker, code, name)
        else:
            image, *_ = self._bound.last or _made({})
            vm = Vm(image, Checker(), CHECKED)
            try:
                check(vm, code, name)
            finally:
                vm.close()
        return Chunk(self.name, name, source, code)

    def isolate(self, names: Mapping[str, Signature], limits: Limits) -> JavaScriptIsolate:
        """Makes a fresh VM with `names` bound."""
        image, output, modules = self._bound.of(names)
        alone, self._alone = self._alone, False
        if not alone:
            ticking.start(image.engine)
            if self._locked:
                threads.prepare()
                resting.stop()
                self._checker = Vm(image, Checker(), CHECKED)
        isolate = JavaScriptIsolate(image, output, modules, limits, alone)
        isolate.compile_with(self.compile)
        return isolate
