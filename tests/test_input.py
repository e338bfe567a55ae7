"""Standard input: what is read of it, and that waiting for it holds nothing up."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import pty
import select
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import TextIO

import pytest

from llmspell import Session, TimeLimit
from llmspell.errors import HostFailure
from llmspell.host import input as input_unit
from llmspell.host.input import Input


@pytest.fixture
def pipe() -> Iterator[tuple[TextIO, int]]:
    """A pipe: the end to read from as a stream, and the one to write to."""
    reading, writing = os.pipe()
    with open(reading, encoding="utf-8") as stream, open(writing, "wb", closefd=True) as held:
        yield stream, held.fileno()


def all_of(source: Input, line: bool) -> list[str]:
    async def work() -> list[str]:
        found = []
        while (text := await source.read(line)) is not None:
            found.append(text)
        return found

    return asyncio.run(asyncio.wait_for(work(), 10))


TEXTS = [
    ("", [], []),
    ("one\ntwo\n", ["one", "two"], ["one\ntwo\n"]),
    ("\n\nx", ["", "", "x"], ["\n\nx"]),
    ("grüße\r\nund\r\n", ["grüße", "und"], ["grüße\nund\n"]),
    ("x" * 200_000 + "\ny", ["x" * 200_000, "y"], ["x" * 200_000 + "\ny"]),
]


@pytest.mark.parametrize("case", TEXTS, ids=lambda case: repr(case[0][:10]))
@pytest.mark.parametrize("line", [True, False])
def test_files_and_streams(
    case: tuple[str, list[str], list[str]], line: bool, tmp_path: Path
) -> None:
    text, lines, whole = case
    wanted = lines if line else whole
    assert all_of(Input(io.StringIO(text, newline="")), line) == wanted
    (tmp_path / "file").write_bytes(text.encode())
    with open(tmp_path / "file", encoding="utf-8") as file:
        assert all_of(Input(file), line) == wanted


def test_a_pipe(pipe: tuple[TextIO, int]) -> None:
    """Lines come as they are written, also in pieces; the rest comes at the end."""
    stream, writing = pipe
    source = Input(stream)

    async def work() -> None:
        os.write(writing, b"one\ntw")
        assert await source.read(line=True) == "one"
        next_one = asyncio.create_task(source.read(line=True))
        await asyncio.sleep(0.01)
        assert not next_one.done()
        os.write(writing, b"o\nthree\nfour")
        assert await next_one == "two"
        os.write(writing, b"\nfive")
        rest = asyncio.create_task(source.read(line=False))
        await asyncio.sleep(0.01)
        os.dup2(os.open(os.devnull, os.O_WRONLY), writing)
        assert await rest == "three\nfour\nfive"
        assert await source.read(line=True) is None

    asyncio.run(asyncio.wait_for(work(), 10))


@pytest.mark.parametrize("what", ["line", "all"])
def test_a_pipe_that_stays_empty_holds_nothing_up(pipe: tuple[TextIO, int], what: str) -> None:
    """The limit of time holds, other tasks go on, and the next run reads what comes then."""
    stream, writing = pipe
    began = monotonic()
    session = Session(level="untrusted", limits={"time": 0.3}, stdin=stream)
    with pytest.raises(TimeLimit) as caught:
        session.run_sync(
            "async(function() for i = 1, 3 do sleep(0.02) print(i) end end)"
            f"print(io.read('{what}'))"
        )
    assert monotonic() - began < 3
    assert caught.value.result.output == "1\n2\n3\n"
    os.write(writing, b"late\n")
    assert session.run_sync("return io.read()", limits={"time": 5}).value == "late"


CHAT = """
local said = {}
while true do
  io.write("you: ")
  local line = io.ask()
  if not line then break end
  said[#said + 1] = line
  if line == "sum" then print(tools.execute("calculator", {expression = "1 + 1"})) end
end
print("\\n" .. table.concat(said, ","))
"""


def at_a_terminal(folder: Path, source: str, steps: list[tuple[str, bytes]], *flags: str) -> str:
    """What a person sees who types each answer when its question has come."""
    (folder / "spell.lua").write_text(source)
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        args = [sys.executable, "-m", "llmspell", "run", "spell.lua", *flags]
        os.execv(sys.executable, args)
    told, seen, due = b"", 0, monotonic() + 60
    with contextlib.suppress(OSError):  # how a terminal says that nobody writes any more
        while monotonic() < due:
            if select.select([terminal], [], [], 1)[0]:
                told += os.read(terminal, 4096)
            if steps and (at := told.find(steps[0][0].encode(), seen)) >= 0:
                seen = at + len(steps[0][0])
                os.write(terminal, steps.pop(0)[1])
    if monotonic() >= due:
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(terminal)
    return told.decode().replace("\r\n", "\n")


def test_a_person_is_asked_at_the_terminal(tmp_path: Path) -> None:
    """Also between questions about tools, which have their own answers; Ctrl-D ends it."""
    steps = [("you: ", b"hello\n"), ("you: ", b"sum\n"), ("[y/N] ", b"y\n"), ("you: ", b"\x04")]
    told = at_a_terminal(tmp_path, CHAT, steps, "--tool-rule", "calc*=ask")
    assert "\n2\nyou: " in told, told
    assert told.endswith("\nhello,sum\n"), told


def test_a_question_in_the_background_leaves_others_their_answers(tmp_path: Path) -> None:
    source = """
    local name = async(io.ask)
    print(tools.execute("calculator", {expression = "1 + 1"}))
    io.write("name? ")
    print("you are " .. await(name))
    """
    steps = [("[y/N] ", b"y\n"), ("name? ", b"Ada\n")]
    told = at_a_terminal(tmp_path, source, steps, "--tool-rule", "calc*=ask")
    assert "\n2\n" in told, told
    assert told.endswith("you are Ada\n"), told


def test_an_untrusted_spell_asks_nobody_at_the_terminal(tmp_path: Path) -> None:
    source = "io.write('password: ') print(io.ask(), io.read(), io.read('all'))"
    told = at_a_terminal(tmp_path, source, [], "--level", "untrusted")
    assert told == "password: nil\tnil\tnil\n"


def test_it_is_bounded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(input_unit, "MAX_BYTES", 1000)
    (tmp_path / "file").write_bytes(b"x" * 2000)
    for line in (True, False):
        with open(tmp_path / "file", encoding="utf-8") as file:
            for stream in (file, io.StringIO("x" * 2000)):
                with pytest.raises(HostFailure, match="is larger than 1000 bytes") as caught:
                    all_of(Input(stream), line)
                assert caught.value.code == "too_large"


def test_what_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\xff\xfe")
    with (
        open(tmp_path / "file", encoding="utf-8") as file,
        pytest.raises(HostFailure, match="not UTF-8"),
    ):
        all_of(Input(file), line=True)


def test_nothing_is_read_that_was_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """The input of the process is for the process, not for the spells it runs."""
    monkeypatch.setattr("sys.stdin", io.StringIO("secret"))
    assert Session(level="untrusted").run_sync("return io.read('all')").value is None
    closed = io.StringIO("x")
    closed.close()
    with open(os.devnull, encoding="utf-8") as null:
        for stream in (None, closed, null):
            assert all_of(Input(stream), line=True) == []
