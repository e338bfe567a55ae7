"""Programs that fork: what the threads and locks of the parent were for works in the child too."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")

BEGIN = """
import os, sys, threading, time
from llmspell import ChunkCache, Session
from llmspell.host.settings import Settings

def value(source, **more):
    return Session(settings=Settings(), **more).run_sync(source).value

RESTS = "await sleep(0.3); export default 7"
SPELLS = {"lua": "return 7", "javascript": RESTS, "tengo": "export 7"}

def values():
    both = [(name, isolation) for name in SPELLS for isolation in ("none", "process")]
    found = [value(SPELLS[name], engine=name, isolation=isolation) for name, isolation in both]
    found.append(value("schema.validate({a = 1}, 'a int') return 7"))
    return [*found, value("return #llm.generate('hello') > 0 and 7")]

def in_child(work):
    child = os.fork()
    if child == 0:
        try:
            got = work()
        except BaseException as error:
            got = repr(error)
        if got != 7 and got != [7] * 8:
            print("in the child:", got, flush=True)
        os._exit(0)
    ended = time.monotonic() + 60
    while os.waitpid(child, os.WNOHANG)[0] == 0:
        if time.monotonic() > ended:
            os.kill(child, 9)
            print("the child hangs", flush=True)
        time.sleep(0.01)
"""


def said(program: str) -> str:
    """What a program prints. It is a process of its own: pytest is none to fork."""
    command = [sys.executable, "-W", "ignore", "-c", BEGIN + program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_spell_runs_in_a_child_of_a_program_that_ran_it() -> None:
    assert said("print(values() == [7] * 8); time.sleep(0.5); in_child(values)") == "True\n"


def test_a_child_prepares_javascript_for_functions_of_its_own() -> None:
    program = """
def given(x: int) -> int:
    '''Gives it.

    x: a number.
    returns: it.
    '''
    return x

def prepared(name):
    more = {"functions": {name + ".given": given}, "cache": ChunkCache()}
    source = f"export default await {name}.given(7)"
    return value(source, engine="javascript", limits={"time": 60}, **more)

print(prepared("ours"))
in_child(lambda: prepared("theirs"))
"""
    assert said(program) == "7\n"


def test_a_child_is_not_held_up_by_what_threads_of_its_parent_were_at() -> None:
    program = """
from llmspell.engines import engine

def compile(suffix):
    for name in ("lua", "lua55", "tengo"):
        source = "\\n".join(f"x{i} := {i}" if name == "tengo" else f"x = {i}" for i in range(150))
        engine(name).compile(source + "\\n" * suffix, "x")

def busy():
    number = 0
    while True:
        number += 1
        compile(number % 9)

def run():
    while True:
        values()

values()
for work in (busy, busy, run):
    threading.Thread(target=work, daemon=True).start()
for number in range(12):
    time.sleep(0.013)
    in_child(lambda: compile(1) or 7)
in_child(values)
print("over", flush=True)
os._exit(0)
"""
    assert said(program) == "over\n"


def test_locks_that_a_thread_holds_are_free_in_the_child() -> None:
    program = """
from llmspell.engines.quickjs_image import images
from llmspell.host.schemas.schema import _compiled
from llmspell.runtime.zygote import zygotes

values()
[memory] = [image.memory for image in images._made.values()]
for lock in (ChunkCache._lock, _compiled._lock, zygotes.lock, images._lock, memory._lock):
    lock.acquire()
in_child(values)
print("over", flush=True)
os._exit(0)
"""
    assert said(program) == "over\n"


@pytest.mark.skipif(sys.platform != "linux", reason="there is a zygote on Linux only")
def test_a_child_does_not_keep_workers_and_zygotes_of_its_parent() -> None:
    program = """
import asyncio
from pathlib import Path

def workers(zygote):
    of = Path(f"/proc/{zygote}/task/{zygote}/children").read_text().split()
    states = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid in of]
    return sum(state != "Z" for state in states)

async def main():
    from llmspell.runtime.zygote import zygotes
    async with Session(level="untrusted", settings=Settings()) as session:
        await session.run("return 1")
        run = asyncio.create_task(session.attempt("sleep(60)", limits={"time": 1}))
        await asyncio.sleep(0.5)
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
        print((await run).error.code)
        [zygote] = zygotes._warm
        ended = time.monotonic() + 20
        while workers(zygote._process.pid) > 1 and time.monotonic() < ended:  # one is spare
            await asyncio.sleep(0.05)
        print(workers(zygote._process.pid), os.waitpid(child, os.WNOHANG)[0])
        # The control socket that the child has does not keep the zygote either.
        zygote._control.close()
        zygote._process.wait(20)
        os.kill(child, 9)

asyncio.run(main())
"""
    assert said(program) == "time\n1 0\n"


def test_a_child_collects_garbage_that_was_forked_while_another_thread_did_not() -> None:
    program = """
import gc
from llmspell.garbage import unbroken

def fork():
    if (child := os.fork()) == 0:
        print(gc.isenabled(), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    return gc.isenabled()

print(unbroken(fork), gc.isenabled())
"""
    assert said(program) == "True\nFalse True\n"
