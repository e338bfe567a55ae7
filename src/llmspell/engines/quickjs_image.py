"""The module of the VM with the prelude in its memory, compiled once a machine."""

from __future__ import annotations

import atexit
import os
import re
import struct
import sys
from contextlib import suppress
from functools import cache
from hashlib import sha256
from importlib.util import find_spec

import wasmtime
from wasmtime import _ffi as ffi

from .quickjs import OK, PAGE, POLL, STACK, Host, Image, Vm, linked, ticking


def _engine(quick: bool = False) -> wasmtime.Engine:
    config = wasmtime.Config()
    config.epoch_interruption = True
    ffi.wasmtime_config_async_stack_size_set(config.ptr(), STACK)
    config.max_wasm_stack = STACK
    if quick:
        config.cranelift_opt_level = "none"
    return wasmtime.Engine(config)


def _guest() -> bytes:
    spec = find_spec("quickjs_rs")
    assert spec is not None and spec.submodule_search_locations
    with open(os.path.join(spec.submodule_search_locations[0], "_guest.wasm"), "rb") as file:
        return file.read()


@cache
def made_of() -> str:
    """The VM and what runs it."""
    from importlib.metadata import version  # takes 30 ms, and few ask

    return f"quickjs-rs {version('quickjs-rs')}, wasmtime {version('wasmtime')}"


@cache
def image(prelude: str) -> Image:
    """The VM with the prelude in its heap: from the folder of caches, or made and put there."""
    engine = _engine()
    ticking.start(engine)
    poll = wasmtime.Module(engine, bytes(wasmtime.wat2wasm(POLL)))
    # A file of another version of wasmtime is refused by it, and replaced.
    with open(__file__, "rb") as file:
        parts = (file.read(), f"{STACK} {POLL} {prelude}".encode(), _guest())
    digest = sha256(b"\0".join(parts)).hexdigest()[:32]
    numbers = None
    path = _kept(digest)
    if path:
        with suppress(OSError, wasmtime.WasmtimeError, ValueError), open(path, "rb") as file:
            numbers = struct.unpack("<3i", file.read(12))
            module = wasmtime.Module.deserialize(engine, file.read())
    if numbers is None:
        if path:
            sys.stderr.write("note: preparing JavaScript for its first use\n")
        code, numbers = _prepared(prelude)
        module = wasmtime.Module(engine, code)
        if path:
            _keep(path, struct.pack("<3i", *numbers) + module.serialize())
    made = Image(engine, module, poll, linked(engine, module), *numbers)
    atexit.register(_free, made)
    return made


def _free(made: Image) -> None:
    """Frees it while there still is an interpreter to do so."""
    for part in (made.linker, made.module, made.poll):
        part.close()


def _prepared(prelude: str) -> tuple[bytes, tuple[int, int, int]]:
    """The module with the heap after the prelude as its memory."""
    engine, code = _engine(quick=True), _guest()
    module = wasmtime.Module(engine, code)
    poll = wasmtime.Module(engine, bytes(wasmtime.wat2wasm(POLL)))
    vm = Vm(Image(engine, module, poll, linked(engine, module), 0, 0, 0), Host())
    name = vm.put(b"flush")
    flush = vm.call("new_function", name, 5)
    made = vm.evaluate(prelude)
    at = vm.put(struct.pack("<2i", flush, 0))
    status = vm.call("call_function", made, vm.call("new_undefined"), at, 1, at + 4)
    if status != OK:
        raise ValueError("the prelude failed")
    both = vm.word(at + 4)
    numbers = []
    for index in (0, 1):
        if vm.call("get_index", both, index, at) != OK:
            raise ValueError("the prelude gave no functions")
        numbers.append(vm.word(at))
    vm.call("execute_pending_jobs")
    # The collector writes to every object, and so to every page: let it not run before a script
    # has taken some memory of its own. It next does at one and a half of what it last found.
    vm.evaluate("{ const much = new ArrayBuffer(1 << 20); const all = []; all[9] = {}; }")
    heap = vm.read(0, vm.size())
    vm.close()
    door, collect = numbers
    return _with_memory(code, heap), (door, collect, len(heap) // PAGE)


def _with_memory(code: bytes, heap: bytes) -> bytes:
    """A module with other initial memory: the sections of its size and its data written anew."""
    out, at = [code[:8]], 8
    while at < len(code):
        kind, (size, start) = code[at], _number(code, at + 1)
        body = code[start : start + size]
        if kind == 5:
            body = b"\x01\x00" + _leb(len(heap) // PAGE)
        elif kind == 11:
            parts = [(m.start(), m.group()) for m in re.finditer(rb"(?:(?!\0{64}).)+", heap, re.S)]
            body = _leb(len(parts)) + b"".join(
                b"\0\x41" + _signed(place) + b"\x0b" + _leb(len(part)) + part
                for place, part in parts
            )
        out.append(bytes([kind]) + _leb(len(body)) + body)
        at = start + size
    return b"".join(out)


def _number(code: bytes, at: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = code[at]
        at += 1
        result |= (byte & 127) << shift
        shift += 7
        if not byte & 128:
            return result, at


def _leb(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def _signed(number: int) -> bytes:
    out = bytearray()
    while number > 63:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def _kept(digest: str) -> str:
    """Where the compiled module is kept, or "" where that folder could be somebody else's."""
    folder = os.environ.get("LLMSPELL_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache"),
        "llmspell",
    )
    if not os.path.isabs(folder) or not hasattr(os, "geteuid"):
        return ""
    with suppress(OSError):
        os.makedirs(folder, mode=0o700, exist_ok=True)
        state = os.lstat(folder)
        if state.st_uid == os.geteuid() and not state.st_mode & 0o022:
            return os.path.join(folder, f"{digest}.javascript")
    return ""


def _keep(path: str, data: bytes) -> None:
    spare = f"{path}.{os.getpid()}.tmp"
    with suppress(OSError):
        with open(os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
        os.replace(spare, path)
