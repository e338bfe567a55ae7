"""What fuzzing has found, each in its smallest form."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from conftest import Command

from llmspell import ScriptSyntaxError, Session, SpellCrashed, StepLimit
from llmspell.engines.base import Call, Waiting
from llmspell.host.settings import Settings
from llmspell.runtime.frames import LENGTH, pack
from llmspell.runtime.isolation import IsolatedEngine
from llmspell.runtime.result import Result
from llmspell.runtime.run import Run
from llmspell.spells.program import Program

READY = pack("ready", {"process": ""})

linux = pytest.mark.skipif(sys.platform != "linux", reason="there is a zygote on Linux only")


def against(at_start: bytes, at_spell: bytes) -> tuple[Result, list[Any]]:
    """The result of a spell whose worker sends this, and what went wrong unseen."""

    def serve(channel: socket.socket) -> None:
        with channel:
            try:
                for part in filter(None, (at_start, at_spell)):
                    channel.recv(65536)
                    channel.sendall(part)
                channel.shutdown(socket.SHUT_WR)
                while channel.recv(65536):
                    pass
            except OSError:
                pass  # the host has hung up first

    def launch(channel: socket.socket) -> None:
        threading.Thread(target=serve, args=(channel.dup(),)).start()

    async def main() -> tuple[Result, list[Any]]:
        unseen: list[Any] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, about: unseen.append(about))
        made = IsolatedEngine("lua", launch)
        async with Session(engine=made, level="untrusted", settings=Settings()) as session:
            result = await session.attempt("return 1", limits={"time": 5})
        return result, unseen

    return asyncio.run(main())


@linux
@pytest.mark.parametrize("at_start", [True, False])
@pytest.mark.parametrize("status", [127, 33, 99999, 10**400], ids=lambda status: str(status)[:6])
def test_a_forged_exit_status_that_cannot_be_is_a_crash(status: int, at_start: bool) -> None:
    told = b'["exit",%d]' % status
    told = LENGTH.pack(len(told)) + told
    parts = (READY + told, b"") if at_start else (READY, told)
    result, unseen = against(*parts)
    assert isinstance(result.error, SpellCrashed)
    assert unseen == []
    assert result.usage.seconds < 4  # at once, not at its limit of time


@linux
@pytest.mark.parametrize("word", [("call", 1, "time.sleep", "[0]"), ("call", 1, "time.now", "[]"),
                                  ("print", "x"), ("state", 0, True, 0, 0, 0, 0, 0, [])],
                         ids=lambda word: word[0])  # fmt: skip
def test_a_worker_that_speaks_before_it_is_given_a_spell_is_a_crash(word: tuple[Any, ...]) -> None:
    result, unseen = against(READY + pack(*word), b"")
    assert isinstance(result.error, SpellCrashed)
    assert unseen == []
    assert (result.output, result.calls) == ("", [])


@linux
@pytest.mark.parametrize("number", [2**64, -(2**64), 1e400, -1e400], ids=str)
def test_a_number_that_cannot_be_told_to_a_script_is_a_crash(number: float) -> None:
    shown = str(number).replace("inf", "1e400")
    peak, cpu = (b"0", shown.encode()) if isinstance(number, float) else (shown.encode(), b"0.1")
    told = b'["state",1,true,10,1000,%b,1,%b,[["spell",1,""]]]' % (peak, cpu)
    result, unseen = against(READY, LENGTH.pack(len(told)) + told + pack("near", "steps"))
    assert isinstance(result.error, SpellCrashed)
    assert unseen == []


@pytest.mark.parametrize("isolation", ["none", "process"])
def test_a_source_that_is_no_utf_8_text_is_refused(isolation: str) -> None:
    session = Session(isolation=isolation, settings=Settings())
    result = session.attempt_sync("local a = 1\nreturn '\ud800'")
    assert isinstance(result.error, ScriptSyntaxError)
    assert result.error.line == 2
    repr(result.as_dict()).encode()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a file name is always text")
@pytest.mark.parametrize("isolation", ["none", "process"])
def test_a_file_name_that_is_no_utf_8_text_is_run(cli: Command, isolation: str) -> None:
    name = os.fsdecode(b"a\xff.lua")
    Path(cli.folder, name).write_text("error('mine')")
    done = cli("run", name, "--isolation", isolation)
    assert (done.code, done.out) == (4, "")
    assert "a?.lua:1: mine" in done.err


def test_calls_of_a_process_that_come_after_the_end_are_not_begun() -> None:
    async def main() -> None:
        async with Session(isolation="process", settings=Settings()) as session:
            run = Run(session, Program("sleep(60)", "spell"), {}, {})
            ended = asyncio.ensure_future(run.attempt())
            await asyncio.sleep(0.3)
            run.driver.fail(StepLimit("1 steps"))
            assert isinstance((await ended).error, StepLimit)
            run.driver.deliver(Waiting([Call(99, "llm.generate", b'["x"]')]))
            assert run.driver._coming == {}
            await run.close()

    asyncio.run(main())
