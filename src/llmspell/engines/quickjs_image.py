"""The module of the VM with the prelude in its memory, compiled once a machine."""

from __future__ import annotations

import atexit
import ctypes
import os
import struct
import sys
import threading
from collections import OrderedDict
from contextlib import suppress
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import wasmtime
from wasmtime import _ffi as ffi

from ..forks import in_child
from .base import Store
from .quickjs import OK, PAGE, STACK, Host, Image, Pristine, Vm
from .quickjs_beside import BESIDE
from .quickjs_guest import found_guest, guest, with_memory
from .quickjs_imports import linked

if TYPE_CHECKING:
    from collections.abc import Sequence

NUMBERS = 0x7FF8000A
"""What is taken from the upper half of a number, so that it differs from those of other values."""


KEPT = 8
"""Images that are kept, each of some 5 MB: the functions of a session are part of its own."""

HEAD = struct.Struct("<5I")
"""What a kept image begins with: its numbers, and the sizes of its first two modules."""

SOURCES = (
    "quickjs.py",
    "quickjs_beside.py",
    "quickjs_guest.py",
    "quickjs_image.py",
    "quickjs_imports.py",
)


_making = threading.Lock()


def _engine(quick: bool, alone: bool) -> wasmtime.Engine:
    """Only one is made, also where several threads ask at once."""
    with _making:
        return _made_engine(quick, alone)


@cache
def _made_engine(quick: bool, alone: bool) -> wasmtime.Engine:
    """The one of this process: the clock counts for all its VMs.

    quick: compiles soon, not well. alone: compiles in one thread. These run no script.
    """
    config = wasmtime.Config()
    config.epoch_interruption = True
    ffi.wasmtime_config_async_stack_size_set(config.ptr(), STACK)
    config.max_wasm_stack = STACK
    if quick:
        config.cranelift_opt_level = "none"
    if alone:
        config.parallel_compilation = False
    return wasmtime.Engine(config)


@cache
def made_of() -> str:
    """The VM and what runs it."""
    from importlib.metadata import version  # takes 30 ms, and few ask

    return f"quickjs-rs {version('quickjs-rs')}, wasmtime {version('wasmtime')}"


class Images:
    """The VM with a prelude in its heap: from where it is kept, or made and put there."""

    def __init__(self) -> None:
        self.store: Store | None = None
        self.forked = False
        self._lock = threading.Lock()
        self._made: OrderedDict[str, Image] = OrderedDict()
        self._parts: WeakKeyDictionary[Pristine, tuple[wasmtime.Linker | wasmtime.Module, ...]]
        self._parts = WeakKeyDictionary()

    def of(self, prelude: str) -> Image:
        """The one with this prelude."""
        with self._lock:
            found = self._made.get(prelude)
            if found is not None:
                self._made.move_to_end(prelude)
                return found
        found = self._found(prelude)
        with self._lock:
            self._made[prelude] = found
            self._parts[found.memory] = found.linker, found.module, found.poll, found.crossing
            while len(self._made) > KEPT:
                self._made.popitem(last=False)  # freed when the last VM of it is
        return found

    def free(self) -> None:
        """Frees all there are, while there still is an interpreter to do so."""
        for memory, parts in list(self._parts.items()):
            memory.close()
            for part in parts:
                part.close()

    def fork(self) -> None:
        """Begins anew where a process was forked: other threads of its parent had the locks."""
        global _making
        self.forked = True
        self._lock, _making = threading.Lock(), threading.Lock()
        for memory in list(self._parts):
            memory.unlock()

    def _found(self, prelude: str) -> Image:
        engine, digest = _engine(False, False), self._digest(prelude)
        data = self.store.load_image(digest) if self.store is not None else None
        if data is not None:
            # A file of another version of wasmtime is refused by it, and replaced.
            with suppress(wasmtime.WasmtimeError, ValueError, struct.error):
                *numbers, first, second = HEAD.unpack_from(data)
                parts, at = [], HEAD.size
                for size in (first, second, len(data) - HEAD.size - first - second):
                    parts.append(_deserialized(engine, data, at, size))
                    at += size
                return _image(engine, parts[2], parts[:2], numbers)
        if self.store is not None:
            sys.stderr.write("note: preparing JavaScript for its first use\n")
        code, numbers_ = _prepared(prelude)
        module, beside = _compiled(code), _beside()
        if self.store is not None:
            kept = [part.serialize() for part in (*beside, module)]
            head = HEAD.pack(*numbers_, len(kept[0]), len(kept[1]))
            self.store.store_image(digest, b"".join((head, *kept)))
        return _image(engine, module, beside, numbers_)

    def _digest(self, prelude: str) -> bytes:
        """Names all that an image is made of: our code, the prelude, and the two packages."""
        digest = sha256(f"{STACK} {BESIDE} {prelude}".encode())
        for name in SOURCES:
            with open(os.path.join(os.path.dirname(__file__), name), "rb") as file:
                digest.update(file.read())
        digest.update(found_guest())
        return digest.digest()


images = Images()
"""Those of this process."""


atexit.register(images.free)
in_child(images.fork)


def _image(
    engine: wasmtime.Engine,
    module: wasmtime.Module,
    beside: Sequence[wasmtime.Module],
    numbers: Sequence[int],
) -> Image:
    poll, crossing = beside
    linker = linked(engine, module)
    return Image(engine, module, poll, crossing, linker, Pristine(), *numbers)


def _compiled(code: bytes, quick: bool = False) -> wasmtime.Module:
    engine = _engine(quick, False)
    if not images.forked:
        return wasmtime.Module(engine, code)
    # It would wait for threads of the compiler that the parent of this process has.
    made = wasmtime.Module(_engine(quick, True), code)
    return wasmtime.Module.deserialize(engine, made.serialize())


def _beside(quick: bool = False) -> list[wasmtime.Module]:
    return [_compiled(bytes(wasmtime.wat2wasm(text)), quick) for text in BESIDE]


def _deserialized(engine: wasmtime.Engine, data: bytes, at: int, size: int) -> wasmtime.Module:
    """A module out of a part of what was kept, which is not copied."""
    if not 0 < size <= len(data) - at:
        raise ValueError("a part is missing")
    begin = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value
    assert begin is not None
    made = ctypes.POINTER(ffi.wasmtime_module_t)()
    part = (ctypes.c_uint8 * size).from_address(begin + at)
    error = ffi.wasmtime_module_deserialize(engine.ptr(), part, size, ctypes.byref(made))
    if error:
        raise wasmtime.WasmtimeError._from_ptr(error)
    return wasmtime.Module._from_ptr(made)


def _prepared(prelude: str) -> tuple[bytes, tuple[int, int, int]]:
    """The module with the heap after the prelude as its memory."""
    engine, code = _engine(True, False), guest()
    module = _compiled(code, quick=True)
    vm = Vm(_image(engine, module, _beside(quick=True), (0, 0, 0)), Host())
    name = vm.put(b"flush")
    flush = vm.call("new_function", name, 5)
    made = vm.evaluate(prelude)
    at = vm.put(struct.pack("<2i", flush, 0))
    status = vm.call("call_function", made, vm.call("new_undefined"), at, 1, at + 4)
    if status != OK:
        raise ValueError("the prelude failed")
    both = vm.word(at + 4)
    door, collect, reason = (_item(vm, both, index, at) for index in (0, 1, 2))
    vm.call("execute_pending_jobs")
    # The collector writes to every object, and so to every page: let it not run before a script
    # has taken some memory of its own. It next does at one and a half of what it last found.
    vm.evaluate("{ const much = new ArrayBuffer(1 << 20); const all = []; all[9] = {}; }")
    # What the prelude has used of the steps from one poll to the next is not the script's.
    counted = vm.steps()
    while vm.steps() == counted:
        vm.evaluate("for (let i = 0; i < 50; i++);")
    heap = vm.read(0, vm.size())
    place = _place_of(vm, heap, _item(vm, reason, 0, at))
    vm.close()
    return with_memory(code, heap, len(heap) // PAGE), (door, collect, place)


def _item(vm: Vm, of: int, index: int, at: int) -> int:
    if vm.call("get_index", of, index, at) != OK:
        raise ValueError("the prelude gave no functions")
    return vm.word(at)


def _place_of(vm: Vm, heap: bytes, value: int) -> int:
    """Where in the memory a number lies that is there once, and as which it can be read."""
    at = vm.put(bytes(8))
    if vm.call("get_number", value, at) != OK:
        raise ValueError("the prelude gave no number")
    # How the VM writes a number in eight bytes: less what its other kinds of values begin with.
    (bits,) = struct.unpack("<Q", vm.read(at, 8))
    text = struct.pack("<Q", (bits - (NUMBERS << 32)) % 2**64)
    if heap.count(text) != 1 or heap.index(text) % 8:
        raise ValueError("the place where reasons are told is not found")
    return heap.index(text)
