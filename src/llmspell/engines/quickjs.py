"""QuickJS as WebAssembly under wasmtime: one instance a script, its heap prepared once and shared.

quickjs-rs brings the VM as a module of WebAssembly, which we drive ourselves: its own host code
reads the system's clock and environment, and takes ten crossings where two do. What a module of
WebAssembly can reach are its imports, and all of them are here: a clock the host keeps, no
randomness, no files, no environment.

The heap after the prelude has run is put into the module as its initial memory. Instances map it
copy-on-write, so a new one takes a millisecond and a waiting one the pages it has written to.
"""

from __future__ import annotations

import ctypes
import struct
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import wasmtime
from wasmtime import _bindings as bindings
from wasmtime import _ffi as ffi

from . import quickjs_memory
from .quickjs_beside import CROSSED
from .quickjs_clock import ticking
from .quickjs_memory import Folded, unfold

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = 65536
STACK = 4 * 1024 * 1024
"""Bytes of the stack of WebAssembly: about 4000 calls of a script within each other."""

LEFT = 4096
"""Bytes of the stack in the memory of a VM below which it is taken to be used up."""

LAST_TICKS = 8
"""Ticks a VM that is to stop may take until it is stopped within a built-in function."""

COUNTED = 10_000
"""Calls and turns of loops of a script from one poll to the next."""

MOST_UNSEEN = 100_000
"""Promises that may have failed unseen at the same time: their reasons are noted by the host."""

OK, RAISED = 0, 1


class Trapped(Exception):
    """The instance was stopped in the middle: it is of no more use.

    deep: whether that was because one of its two stacks was used up.
    """

    def __init__(self, why: str, deep: bool = False) -> None:
        super().__init__(why)
        self.deep = deep


class Pristine:
    """The memory of a VM that has run nothing, made when one that waits is compared with it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._vm: Vm | None = None
        self._memory: quickjs_memory.Image | None = None
        self._closed = False

    def fold(self, vm: Vm, image: Image) -> Folded | None:
        """What of the memory of a VM differs from that of its image; None where it is left."""
        with self._lock:  # a process may end meanwhile
            if self._closed:
                return None
            if self._memory is None:
                self._vm = Vm(image, Host())
                del self._vm._image  # which holds this: only the collector would free them
                self._memory = quickjs_memory.Image(self._vm)
            return self._memory.fold(vm)

    def unlock(self) -> None:
        """Lets go of what a thread held that this process, forked from its own, has not."""
        self._lock = threading.Lock()

    def close(self) -> None:
        """Frees it."""
        with self._lock:
            self._closed = True
            if self._vm is not None:
                self._vm.close()


class Image(NamedTuple):
    """A module whose memory holds the prelude, and the numbers of its functions in there.

    `reason` is the address of the value that the prelude is given as why a promise failed.
    """

    engine: wasmtime.Engine
    module: wasmtime.Module
    poll: wasmtime.Module
    crossing: wasmtime.Module
    linker: wasmtime.Linker
    memory: Pristine
    door: int
    collect: int
    reason: int


class Host:
    """What a running VM asks its owner. Called in the thread that runs it."""

    def clock(self) -> int:
        """Nanoseconds since 1970."""
        return 0

    def flush(self, text: str) -> str:
        """Takes what the prelude says before the turn has ended; gives an answer or ""."""
        return ""

    def resolve(self, base: str, specifier: str) -> str | None:
        """Gives the name of a module."""
        return None

    def source(self, name: str) -> str | None:
        """Gives the source of a module."""
        return None

    def over(self) -> bool:
        """Whether the script is to stop where it stands. Called in any thread."""
        return False

    def stopped(self) -> bool:
        """The same, in the thread that runs it: now and then while it does."""
        return self.over()


running = threading.local()
"""The VM of this thread."""


def _upper(value: int) -> int:
    """The kind of a value of the VM: the upper half of its bits, as a number with a sign."""
    return (value >> 32 ^ 0x80000000) - 0x80000000


class Vm:
    """One instance. Runs in one thread at a time."""

    def __init__(self, image: Image, host: Host, memory: int | None = None) -> None:
        self.host = host
        self._image = image
        self._store = wasmtime.Store(image.engine)
        self._context = self._store._context()
        self._ticks = self._room = self._nothing = 0
        self._failed: dict[int, int] = {}
        self._fresh: dict[int, int] = {}
        self._seen: list[int] = []
        self._failures = 0
        self._funcs: dict[str, Any] = {}
        self._folded: Folded | None = None
        self._store.set_epoch_deadline(2**32)
        self._polls = self._instance(image.poll, ())
        linker = ffi.wasmtime_linker_clone(image.linker.ptr())
        try:
            self._vm = self._linked(linker)
        finally:
            ffi.wasmtime_linker_delete(linker)
        given = [self._export(self._vm, name) for name in CROSSED]
        self._crossing = self._instance(image.crossing, given)
        self._memory = self._export(self._vm, "memory").of.memory
        self.base = self.size()
        self.limit_memory(memory)
        ffi.wasmtime_store_epoch_deadline_callback(
            self._store.ptr(), _on_tick, None, _on_tick_finalizer(0)
        )

    def _linked(self, linker: Any) -> Any:
        item = self._export(self._polls, "poll")
        made, trap = ffi.wasmtime_instance_t(), ctypes.POINTER(ffi.wasm_trap_t)()
        error = ffi.wasmtime_linker_define(
            linker, self._context, b"env", 3, b"host_interrupt", 14, ctypes.byref(item)
        ) or ffi.wasmtime_linker_instantiate(
            linker,
            self._context,
            self._image.module.ptr(),
            ctypes.byref(made),
            ctypes.byref(trap),
        )
        if error:
            raise wasmtime.WasmtimeError._from_ptr(error)
        return made

    def _instance(self, module: wasmtime.Module, given: Sequence[Any]) -> Any:
        places = (ffi.wasmtime_extern_t * len(given))(*given)
        made, trap = ffi.wasmtime_instance_t(), ctypes.POINTER(ffi.wasm_trap_t)()
        error = ffi.wasmtime_instance_new(
            self._context,
            module.ptr(),
            places,
            len(places),
            ctypes.byref(made),
            ctypes.byref(trap),
        )
        if error:
            raise wasmtime.WasmtimeError._from_ptr(error)
        return made

    def _export(self, instance: Any, name: str) -> Any:
        """An export by its name. Few are used, so that none is kept for those that are not."""
        found, data = ffi.wasmtime_extern_t(), name.encode()
        if not ffi.wasmtime_instance_export_get(
            self._context, ctypes.byref(instance), data, len(data), ctypes.byref(found)
        ):
            raise KeyError(name)
        return found

    def _global(self, instance: Any, name: str, new: int | None = None) -> int:
        """A number that an instance keeps, which is set to `new` where that is given."""
        found, value = self._export(instance, name).of.global_, ffi.wasmtime_val_t()
        place = ctypes.byref(found)
        ffi.wasmtime_global_get(self._context, place, ctypes.byref(value))
        wide = int(value.kind) == ffi.WASMTIME_I64.value
        if new is not None:
            setattr(value.of, "i64" if wide else "i32", new)
            ffi.wasmtime_global_set(self._context, place, ctypes.byref(value))
        return int(value.of.i64 if wide else value.of.i32)

    def limit_memory(self, memory: int | None) -> None:
        """Sets how many bytes the heap may grow by."""
        self._store.set_limits(memory_size=-1 if memory is None else self.base + memory + PAGE)

    def limit_steps(self, steps: int | None) -> None:
        """Has the script stopped after so many steps, counted by COUNTED."""
        self._global(self._polls, "most", 2**62 if steps is None else -(-steps // COUNTED))

    def steps(self) -> int:
        """Steps the script has taken."""
        return self._global(self._polls, "polls") * COUNTED

    def stop(self) -> None:
        """Has the script stopped at its next step. In the thread that runs it."""
        self._global(self._polls, "stop", 1)

    def is_stopped(self) -> bool:
        """Whether the script was told to stop."""
        return bool(self._global(self._polls, "stop"))

    def size(self) -> int:
        """Bytes of its memory."""
        return int(ffi.wasmtime_memory_data_size(self._context, ctypes.byref(self._memory)))

    def close(self) -> None:
        """Frees everything."""
        self._store.close()

    # Crossing. An export takes and gives words of 32 bits; texts lie in the memory.

    def call(self, name: str, *words: int) -> int:
        """Calls an export. Raises Trapped."""
        found = self._funcs.get(name)
        if found is None:
            where = self._crossing if name in ("invoke", "turn", "collect") else self._vm
            func = self._export(where, name).of.func
            found = self._funcs[name] = ctypes.byref(func), func
        places = (ffi.wasmtime_val_raw_t * max(1, len(words)))()
        for i, word in enumerate(words):
            places[i].i64 = word & 0xFFFFFFFF
        trap = ctypes.POINTER(ffi.wasm_trap_t)()
        before = getattr(running, "vm", None)
        running.vm = self
        try:
            error = ffi.wasmtime_func_call_unchecked(
                self._context, found[0], places, len(places), ctypes.byref(trap)
            )
        finally:
            running.vm = before
        if error:
            raise Trapped(str(wasmtime.WasmtimeError._from_ptr(error)))
        if trap:
            why = str(wasmtime.Trap._from_ptr(trap))
            raise Trapped(why, "call stack exhausted" in why or self._is_deep())
        return int(places[0].i32)

    def _is_deep(self) -> bool:
        """Whether the stack that lies at the beginning of the memory has reached its end.

        What is beyond is no memory: addresses below 0 are the highest there are.
        """
        return self._global(self._vm, "__stack_pointer") < LEFT

    def read(self, at: int, size: int) -> bytes:
        """Bytes of the memory. Raises Trapped where there are none."""
        at &= 0xFFFFFFFF
        if size < 0 or at + size > self.size():
            raise Trapped("a text that is not in the memory")
        return ctypes.string_at(self.address() + at, size)

    def write(self, at: int, data: bytes) -> None:
        """Writes to memory that the VM has given for it."""
        at &= 0xFFFFFFFF
        if at + len(data) > self.size():
            raise Trapped("a place that is not in the memory")
        ctypes.memmove(self.address() + at, data, len(data))

    def address(self) -> int:
        """Where its memory begins."""
        address = ctypes.cast(
            ffi.wasmtime_memory_data(self._context, ctypes.byref(self._memory)),
            ctypes.c_void_p,
        ).value
        assert address is not None
        return address

    def put(self, data: bytes) -> int:
        """Puts bytes into memory; gives where. Raises MemoryError."""
        at = self.call("qjs_alloc", len(data))
        if at == 0 and data:
            raise MemoryError
        self.write(at, data)
        return at

    def word(self, at: int) -> int:
        """A word of the memory."""
        return int(struct.unpack("<i", self.read(at, 4))[0])

    def text(self, value: int) -> bytes:
        """The text that a value of the VM is."""
        if self.call("get_string", value) != OK:
            return b""
        size = self.call("qjs_last_len")
        told = self.read(self.call("qjs_last_ptr"), size) if size else b""
        self.call("qjs_result_free")
        return told

    def _cross(self, how: str, function: int, text: bytes) -> int:
        """Calls a function of the VM with a text, as CROSSING says."""
        if not self._room:
            self._nothing = self.call("new_undefined")
            self._room = self.put(bytes(16))
        at = self.put(text) if text else self._room
        return self.call(how, function, self._nothing, self._room, at, len(text))

    def turn(self, message: bytes) -> bytes:
        """One turn of the prelude: takes a message, does what can be done, gives the events.

        Raises Trapped, and MemoryError where there is no room to take the message.
        """
        self._unfold()
        ticking.enter(self)
        try:
            self._ticks = 0
            self._store.set_epoch_deadline(1)
            if self._cross("turn", self._image.door, message) != OK and not self.is_stopped():
                raise MemoryError  # the door throws nothing else; what it was told is lost
            self._tell()
            return self.collect()
        finally:
            ticking.leave(self)

    def collect(self, what: bytes = b"") -> bytes:
        """The events of a turn; of b"where", where the script stands in the middle of one."""
        if self._cross("collect", self._image.collect, what) != OK:
            return b""
        size, at = struct.unpack("<2i", self.read(self._room + 8, 8))
        told = self.read(at, size) if size else b""
        self.call("qjs_result_free")
        return told

    # While it waits. Not beside a turn.

    def fold(self) -> None:
        """Keeps of its memory what differs from its image, until the next turn."""
        if self._folded is None:
            self._folded = self._image.memory.fold(self, self._image)

    def _unfold(self) -> None:
        folded, self._folded = self._folded, None
        if folded is not None:
            unfold(self, folded)

    # Promises that failed, and that nobody has looked at. Each is held, so that its address stays
    # its own; the prelude is told of those that are still unseen when a turn has ended.

    def hear(self, promise: int, reason: int, seen: bool) -> None:
        """Notes that a promise has failed unseen, or is seen now."""
        promise &= 0xFFFFFFFF
        if not seen:
            if len(self._failed) >= MOST_UNSEEN:
                raise MemoryError
            self._failures += 1
            self._failed[promise] = self._failures
            self._fresh[self._failures] = reason
            self._count(promise, 1)
        elif promise in self._failed:
            number = self._failed.pop(promise)
            if self._fresh.pop(number, None) is None:
                self._seen.append(number)
            self._count(promise, -1)

    def _tell(self) -> None:
        seen, self._seen = self._seen, []
        fresh, self._fresh = self._fresh, {}
        for number in seen:
            self.collect(b"seen %d" % number)
        for number, reason in fresh.items():
            if -9 <= _upper(reason) < 0:  # a value that is counted
                self._count(reason & 0xFFFFFFFF, 1)
            self.write(self._image.reason, struct.pack("<Q", reason))
            self.collect(b"unseen %d" % number)

    def _count(self, at: int, more: int) -> None:
        self.write(at, struct.pack("<i", self.word(at) + more))

    def evaluate(self, code: str) -> int:
        """Runs a script; gives its value. For the prelude, and raises ValueError."""
        data = code.encode()
        at, out = self.put(data), self.put(b"\0\0\0\0")
        status = self.call("eval_code", at, len(data), out)
        if status != OK:
            self.call("last_exception", out)
            raise ValueError(self._told(self.word(out)))
        return self.word(out)

    def complaint(self, code: str, name: str) -> str:
        """Why a module does not even parse, with "name:line:column", or "". Runs nothing of it."""
        data, called = code.encode(), name.encode()
        at, on, out = self.put(data), self.put(called), self.put(b"\0\0\0\0")
        self._store.set_epoch_deadline(2**32)
        status = self.call("eval_module_async", at, len(data), on, len(called), out)
        if status != RAISED:
            return ""
        self.call("last_exception", out)
        return self._told(self.word(out))

    def _told(self, error: int) -> str:
        return "\n".join(self._property(error, name) for name in ("name", "message", "stack"))

    def _property(self, value: int, name: str) -> str:
        at, out = self.put(name.encode()), self.put(b"\0\0\0\0")
        if self.call("get_prop", value, at, len(name), out) != OK:
            return ""
        return self.text(self.word(out)).decode(errors="replace")

    def is_over(self) -> bool:
        """Whether it is to stop. In the thread of the clock: looks at nothing of the VM."""
        return self._ticks > 0 or self.host.over()

    def tick(self) -> int:
        """Now and then while it runs, and every TICK once it is to stop. Gives 0 to end it now."""
        if self.host.stopped() or self.is_stopped():
            self._ticks += 1
            self.stop()
        return int(self._ticks <= LAST_TICKS)


def _tick(context: Any, data: Any, delta: Any, kind: Any) -> int:
    vm: Vm = running.vm
    more = 1
    with suppress(Exception):
        more = vm.tick()
    delta[0], kind[0] = 1, 0
    if more:
        return 0
    return ctypes.cast(ffi.wasmtime_error_new(b"stopped"), ctypes.c_void_p).value or 0


_on_tick_type, _, _on_tick_finalizer = (
    bindings._wasmtime_store_epoch_deadline_callback.argtypes[i] for i in (1, 2, 3)
)
_on_tick = _on_tick_type(_tick)
