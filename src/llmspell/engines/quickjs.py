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
import sys
import threading
from contextlib import suppress
from time import sleep
from typing import Any, NamedTuple

import wasmtime
from wasmtime import _ffi as ffi

PAGE = 65536
STACK = 4 * 1024 * 1024
"""Bytes of the stack of WebAssembly: about 4000 calls of a script within each other."""

LEFT = 4096
"""Bytes of the stack in the memory of a VM below which it is taken to be used up."""

TICK = 0.004
"""Seconds after which a running VM looks whether it is to stop."""

LAST_TICKS = 8
"""Ticks a VM that is to stop may take until it is stopped within a built-in function."""

COUNTED = 10_000
"""Calls and turns of loops of a script from one poll to the next."""

POLL = """(module
  (global $stop (export "stop") (mut i32) (i32.const 0))
  (global $polls (export "polls") (mut i64) (i64.const 0))
  (global $most (export "most") (mut i64) (i64.const 0x7fffffffffffffff))
  (func (export "poll") (result i32)
    (global.set $polls (i64.add (global.get $polls) (i64.const 1)))
    (if (i64.ge_u (global.get $polls) (global.get $most)) (then (global.set $stop (i32.const 1))))
    (global.get $stop)))"""
"""What the VM asks now and then whether to go on. It counts, and takes no lock of the host's."""

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


class Image(NamedTuple):
    """A module whose memory holds the prelude, and the numbers of its functions in there.

    `reason` is the address of the value that the prelude is given as why a promise failed.
    """

    engine: wasmtime.Engine
    module: wasmtime.Module
    poll: wasmtime.Module
    linker: wasmtime.Linker
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

    def stopped(self) -> bool:
        """Whether the script is to stop where it stands."""
        return False


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
        self._ticks = self._room = self._nothing = 0
        self._failed: dict[int, int] = {}
        self._fresh: dict[int, int] = {}
        self._seen: list[int] = []
        self._failures = 0
        self._funcs: dict[str, Any] = {}
        self._polls = wasmtime.Instance(self._store, image.poll, []).exports(self._store)
        linker = ffi.wasmtime_linker_clone(image.linker.ptr())
        try:
            self._instantiate(linker)
        finally:
            ffi.wasmtime_linker_delete(linker)
        self._context = self._store._context()
        self._memory: Any = self._exports["memory"]
        self.base = self.size()
        self.limit_memory(memory)
        ffi.wasmtime_store_epoch_deadline_callback(
            self._store.ptr(), _on_tick, None, _on_tick_finalizer(0)
        )

    def _instantiate(self, linker: Any) -> None:
        poll: Any = self._polls["poll"]
        item = poll._as_extern()
        error = ffi.wasmtime_linker_define(
            linker, self._store._context(), b"env", 3, b"host_interrupt", 14, ctypes.byref(item)
        )
        if error:
            raise wasmtime.WasmtimeError._from_ptr(error)
        instance = ffi.wasmtime_instance_t()
        trap = ctypes.POINTER(ffi.wasm_trap_t)()
        self._store.set_epoch_deadline(2**32)
        error = ffi.wasmtime_linker_instantiate(
            linker,
            self._store._context(),
            self._image.module.ptr(),
            ctypes.byref(instance),
            ctypes.byref(trap),
        )
        if error:
            raise wasmtime.WasmtimeError._from_ptr(error)
        self._exports = wasmtime.Instance._from_raw(instance).exports(self._store)

    def limit_memory(self, memory: int | None) -> None:
        """Sets how many bytes the heap may grow by."""
        self._store.set_limits(memory_size=-1 if memory is None else self.base + memory + PAGE)

    def limit_steps(self, steps: int | None) -> None:
        """Has the script stopped after so many steps, counted by COUNTED."""
        most: Any = self._polls["most"]
        most.set_value(self._store, 2**62 if steps is None else -(-steps // COUNTED))

    def steps(self) -> int:
        """Steps the script has taken."""
        polls: Any = self._polls["polls"]
        return int(polls.value(self._store)) * COUNTED

    def stop(self) -> None:
        """Has the script stopped at its next step. In the thread that runs it."""
        flag: Any = self._polls["stop"]
        flag.set_value(self._store, 1)

    def is_stopped(self) -> bool:
        """Whether the script was told to stop."""
        flag: Any = self._polls["stop"]
        return bool(flag.value(self._store))

    def size(self) -> int:
        """Bytes of its memory."""
        return int(self._memory.data_len(self._store))

    def close(self) -> None:
        """Frees everything."""
        self._store.close()

    # Crossing. An export takes and gives words of 32 bits; texts lie in the memory.

    def call(self, name: str, *words: int) -> int:
        """Calls an export. Raises Trapped."""
        found = self._funcs.get(name)
        if found is None:
            export: Any = self._exports[name]
            found = self._funcs[name] = ctypes.byref(export._func), export._func
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
        top: Any = self._exports["__stack_pointer"]
        return bool(top.value(self._store) < LEFT)

    def read(self, at: int, size: int) -> bytes:
        """Bytes of the memory. Raises Trapped where there are none."""
        at &= 0xFFFFFFFF
        if size < 0 or at + size > self.size():
            raise Trapped("a text that is not in the memory")
        return ctypes.string_at(self._address() + at, size)

    def write(self, at: int, data: bytes) -> None:
        """Writes to memory that the VM has given for it."""
        at &= 0xFFFFFFFF
        if at + len(data) > self.size():
            raise Trapped("a place that is not in the memory")
        ctypes.memmove(self._address() + at, data, len(data))

    def _address(self) -> int:
        address = ctypes.cast(
            ffi.wasmtime_memory_data(self._context, ctypes.byref(self._memory._memory)),
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

    def invoke(self, function: int, text: bytes = b"") -> tuple[int, int]:
        """Calls a function of the VM with a text; gives a status, and its value or error."""
        if not self._room:
            self._nothing = self.call("new_undefined")
            self._room = self.put(bytes(8))
        at = self.put(text)
        value = self.call("new_string", at, len(text))
        self.call("qjs_free", at, len(text))
        self.write(self._room, struct.pack("<i", value))
        status = self.call("call_function", function, self._nothing, self._room, 1, self._room + 4)
        if status == RAISED:
            self.call("last_exception", self._room + 4)
        self.call("free_value", value)
        return status, self.word(self._room + 4)

    def turn(self, message: bytes) -> bytes:
        """One turn of the prelude: takes a message, does what can be done, gives the events."""
        with ticking:
            self._ticks = 0
            self._store.set_epoch_deadline(1)
            _, value = self.invoke(self._image.door, message)
            self.call("free_value", value)
            self.call("execute_pending_jobs")
            self._tell()
            return self.collect()

    def collect(self, what: bytes = b"") -> bytes:
        """The events of a turn; of b"where", where the script stands in the middle of one."""
        status, value = self.invoke(self._image.collect, what)
        told = self.text(value) if status == OK else b""
        self.call("free_value", value)
        return told

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

    def tick(self) -> int:
        """Every TICK while it runs. Gives the ticks until the next, or 0 to stop it at once."""
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


_types = ffi._bindings if hasattr(ffi, "_bindings") else sys.modules["wasmtime._bindings"]
_on_tick_type, _, _on_tick_finalizer = (
    _types._wasmtime_store_epoch_deadline_callback.argtypes[i] for i in (1, 2, 3)
)
_on_tick = _on_tick_type(_tick)


class _Ticker:
    """Counts the time for all VMs of the process, while any runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._engine: wasmtime.Engine | None = None
        self._count = 0

    def start(self, engine: wasmtime.Engine) -> None:
        """Starts the thread, unless there is one."""
        with self._lock:
            if self._engine is None:
                self._engine = engine
                threading.Thread(target=self._run, name="javascript clock", daemon=True).start()

    def __enter__(self) -> None:
        with self._lock:
            self._count += 1
            if self._count == 1:
                self._wake.set()

    def __exit__(self, *raised: object) -> None:
        with self._lock:
            self._count -= 1
            if self._count == 0:
                self._wake.clear()

    def _run(self) -> None:
        assert self._engine is not None
        while True:
            self._wake.wait()
            sleep(TICK)
            self._engine.increment_epoch()


ticking = _Ticker()
