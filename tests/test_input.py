"""Standard input: what is read of it, and that waiting for it holds nothing up."""

from __future__ import annotations

import asyncio
import io
import os
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
