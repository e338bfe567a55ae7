"""Programs of the machine, started without a shell, within bounds of time and output.

A program gets the arguments as they are, few variables, and a process group of its own, which is
killed when it has ended, took too long, said too much, or when nobody waits for it any more.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import BadArgument, Denied, FileFailure, HostFailure, NotFound

if TYPE_CHECKING:
    import asyncio

    from .files.files import Files
    from .settings import Environment

MAX_TIMEOUT = 3600.0
MAX_OUTPUT = 4 * 1024 * 1024
"""Bytes a program may print, on each of its two ways."""

MAX_INPUT = 16 * 1024 * 1024
MAX_ARGUMENTS = 1000
MAX_ARGUMENT = 100_000
"""Arguments, and characters of one."""

PASSED = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TZ", "SYSTEMROOT")
"""The variables a program gets. Others may hold secrets, or change what a program does."""

OF_THE_PROCESS = re.compile("/+(proc|dev)/")
"""Where names lead to the folder of this process, and to what it has open."""

UNDER_ITS_NAME = "import os, sys; os.execv(sys.argv[1], sys.argv[2:])"
"""Starts a program under the name it was called by. uvloop gives it that of its file, by which the
Python of a virtual environment would not find its packages."""


@dataclass(frozen=True, slots=True)
class ExecOptions:
    """How to run a program.

    stdin: what it reads; nothing by default.
    folder: where it runs; the folder of the session by default.
    timeout: seconds until it is killed, up to 3600.
    variables: names of variables it gets besides PATH, HOME, LANG and the like; each needs a grant
        (env:NAME), and none may be a secret.
    """

    stdin: bytes | None = None
    folder: str | None = None
    timeout: float = 30.0
    variables: list[str] | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended.

    code: its exit code; below 0 it is the number of the signal that killed it.
    ok: whether the code is 0.
    stdout: what it printed; bytes when it is not UTF-8 text.
    stderr: the same of what it complained.
    """

    code: int
    ok: bool
    stdout: str | bytes
    stderr: str | bytes


def located(argv: list[str], folder: str, demand: Callable[[str, str], None]) -> str:
    """The program that is meant, once a grant covers it: by its name, or by its real path.

    folder: where relative paths start.
    """
    if not 1 <= len(argv) <= MAX_ARGUMENTS or not argv[0]:
        raise BadArgument(f"argv must have 1 to {MAX_ARGUMENTS} parts, the first a program")
    for place, part in enumerate(argv, 1):
        if "\0" in part or len(part) > MAX_ARGUMENT:
            raise BadArgument(f"argv[{place}] has a NUL character or is too long")
    name = argv[0]
    if "/" in name or os.sep in name:
        path: str | None = os.path.realpath(os.path.join(folder, name))
        try:
            demand("exec", str(path))
        except Denied:
            if os.path.isabs(name) and not OF_THE_PROCESS.match(os.path.normpath(name)):
                raise
            # A script is not told where in the machine its folder is.
            raise Denied(f"no grant for exec where {name[:200]} leads") from None
    else:
        demand("exec", name)
        # A relative folder in PATH would mean whatever the script put there.
        folders = filter(os.path.isabs, os.environ.get("PATH", "").split(os.pathsep))
        path = shutil.which(name, path=os.pathsep.join(folders))
    if path is None or not os.access(path, os.X_OK) or os.path.isdir(path):
        raise NotFound(f"there is no program {name[:200]}")
    return path


def folder_of(files: Files, base: str, path: str | None) -> str:
    """Where a program runs: the real path of a folder that the script may read, or `base`."""
    if path is None:
        return base
    if files.info(path).kind != "directory":
        raise FileFailure(f"cannot run in {path[:200]}: it is not a directory")
    return os.path.realpath(os.path.join(files.base, path))


async def run(
    program: str, argv: list[str], options: ExecOptions, folder: str, variables: dict[str, str]
) -> Ended:
    """Runs a program to its end. Raises HostFailure when it took too long or said too much."""
    import asyncio

    from .formats.documents import text_or_bytes

    if not 0 < options.timeout <= MAX_TIMEOUT:
        raise BadArgument(f"timeout must be above 0 and at most {MAX_TIMEOUT:g} seconds")
    if options.stdin is not None and len(options.stdin) > MAX_INPUT:
        raise BadArgument(f"stdin is longer than {MAX_INPUT} bytes")
    process = await started(program, argv, folder, variables, options.stdin is not None)
    try:
        async with asyncio.timeout(options.timeout):
            out, err = await _talk(process, options.stdin)
            code = await process.wait()
    except TimeoutError:
        told = f"{argv[0][:200]} took longer than {options.timeout:g} s and was killed"
        raise HostFailure(told, code="timeout", retryable=True) from None
    finally:
        await ended(process)
    return Ended(code, code == 0, text_or_bytes(out), text_or_bytes(err))


async def started(
    program: str,
    argv: list[str],
    folder: str,
    variables: dict[str, str],
    fed: bool,
    heard: bool = True,
) -> asyncio.subprocess.Process:
    """Starts a program in a group of its own.

    fed: whether it is given something to read. heard: whether its complaints are wanted.
    """
    import asyncio
    from asyncio.subprocess import DEVNULL, PIPE

    if argv[0] != program and not isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop):
        argv = [sys.executable, "-ISc", UNDER_ITS_NAME, program, *argv]
        program = sys.executable
    try:
        return await asyncio.create_subprocess_exec(
            argv[0], *argv[1:], executable=program, cwd=folder, env=variables,
            stdin=PIPE if fed else DEVNULL, stdout=PIPE, stderr=PIPE if heard else DEVNULL,
            start_new_session=True, limit=1 << 16,
        )  # fmt: skip
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise FileFailure(f"cannot start {argv[0][:200]}: {reason}") from None


async def ended(process: asyncio.subprocess.Process) -> None:
    """Kills what is left of a program and its group, and waits until it is gone."""
    import asyncio

    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        if process.returncode is None:
            process.kill()
    # Before waiting: a way of which nothing is read any more would never be seen to end, and a
    # child of a child may hold it.
    process._transport.close()  # type: ignore[attr-defined]
    wait = asyncio.ensure_future(process.wait())
    cancelled = False
    while not wait.done():
        try:
            await asyncio.shield(wait)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError


async def _talk(process: asyncio.subprocess.Process, stdin: bytes | None) -> tuple[bytes, bytes]:
    """Feeds it, and reads both of its ways to their ends."""
    import asyncio

    assert process.stdout is not None and process.stderr is not None
    reads = [_all_of(process.stdout), _all_of(process.stderr)]
    try:
        async with asyncio.TaskGroup() as group:
            out, err = (group.create_task(read) for read in reads)
            if stdin is not None:
                group.create_task(_feed(process, stdin))
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return out.result(), err.result()


async def _feed(process: asyncio.subprocess.Process, data: bytes) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(data)
        await process.stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        pass  # it does not want to read that: its own matter
    finally:
        process.stdin.close()


async def _all_of(stream: asyncio.StreamReader) -> bytes:
    pieces: list[bytes] = []
    left = MAX_OUTPUT
    while piece := await stream.read(1 << 16):
        pieces.append(piece)
        left -= len(piece)
        if left < 0:
            raise HostFailure(f"it printed more than {MAX_OUTPUT} bytes", code="too_large")
    return b"".join(pieces)


def variables(
    environment: Environment, wanted: list[str], demand: Callable[[str, str], None]
) -> dict[str, str]:
    """The variables a program gets: few, and those the script asks for and may read."""
    given: dict[str, Any] = {}
    for name in PASSED:
        given[name] = os.environ.get(name)
    for name in wanted:
        demand("env", name)
        given[name] = environment.public(name)
    return {name: value for name, value in given.items() if value is not None}
