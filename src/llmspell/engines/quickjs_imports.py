"""What the module of the VM imports: all that it can reach."""

from __future__ import annotations

import struct
from collections.abc import Callable

import wasmtime

from .quickjs import Vm, running
from .quickjs_guest import HEARD


def _host_call(name: int, size: int, this: int, count: int, values: int) -> int:
    vm: Vm = running.vm
    try:
        if size == HEARD:
            vm.hear(name, (values & 0xFFFFFFFF) << 32 | count & 0xFFFFFFFF, bool(this))
            return 0
        told = vm.host.flush(vm.text(vm.word(values)).decode(errors="replace")) if count else ""
        if not told:
            return vm.call("new_undefined")
        data = told.encode()
        at = vm.put(data)
        answer = vm.call("new_string", at, len(data))
        vm.call("qjs_free", at, len(data))
        return answer
    except MemoryError:
        vm.host.flush("\0memory")
    except Exception:  # noqa: BLE001 - raised in the VM, where it ends the run or is nothing
        return -1
    return -1


def _normalize(base: int, base_size: int, spec: int, spec_size: int, out: int) -> int:
    vm: Vm = running.vm
    names = vm.read(base, base_size).decode(), vm.read(spec, spec_size).decode()
    return _give(vm, vm.host.resolve(*names), out)


def _load(name: int, size: int, out: int) -> int:
    vm: Vm = running.vm
    return _give(vm, vm.host.source(vm.read(name, size).decode()), out)


def _give(vm: Vm, text: str | None, out: int) -> int:
    if text is None:
        return 0
    data = text.encode() or b"\n"  # no address would stand for no module
    at = vm.put(data)
    vm.write(out, struct.pack("<I", len(data)))
    return at


def _clock(which: int, precision: int, out: int) -> int:
    vm: Vm = running.vm
    vm.write(out, struct.pack("<Q", vm.host.clock()))
    return 0


def _no_environment(count: int, size: int) -> int:
    vm: Vm = running.vm
    vm.write(count, b"\0\0\0\0")
    vm.write(size, b"\0\0\0\0")
    return 0


WASI = "wasi_snapshot_preview1"
IMPORTS: dict[tuple[str, str], Callable[..., int | None]] = {
    ("env", "host_call"): _host_call,
    ("env", "host_module_normalize"): _normalize,
    ("env", "host_module_load"): _load,
    (WASI, "clock_time_get"): _clock,
    (WASI, "environ_sizes_get"): _no_environment,
    (WASI, "environ_get"): lambda *words: 0,
    (WASI, "random_get"): lambda *words: 0,
    (WASI, "fd_close"): lambda *words: 8,
    (WASI, "fd_fdstat_get"): lambda *words: 8,
    (WASI, "fd_seek"): lambda *words: 8,
    (WASI, "fd_write"): lambda *words: 8,
    (WASI, "proc_exit"): lambda *words: None,
}
"""8 is the error of a descriptor that is not open."""


def linked(engine: wasmtime.Engine, module: wasmtime.Module) -> wasmtime.Linker:
    """What gives a module its imports."""
    linker = wasmtime.Linker(engine)
    for item in module.imports:
        function = IMPORTS.get((item.module, str(item.name)))
        if function is not None and isinstance(item.type, wasmtime.FuncType):
            linker.define_func(item.module, str(item.name), item.type, function)
    return linker
