"""Work of the host that takes long: the loop goes on, and nothing of it outlives who asked."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from llmspell import Session
from llmspell.errors import BadArgument
from llmspell.host.beside import Beside
from llmspell.host.formats import yaml


def test_the_loop_goes_on_meanwhile() -> None:
    async def main() -> list[str]:
        told: list[str] = []
        may_end = threading.Event()

        def work(text: str) -> str:
            assert may_end.wait(30)
            return text

        task = asyncio.create_task(Beside().do(work, "done"))
        await asyncio.sleep(0.01)
        told.append("meanwhile")
        may_end.set()
        return [*told, await task]

    assert asyncio.run(main()) == ["meanwhile", "done"]


def test_what_it_raises_is_raised() -> None:
    def work() -> None:
        raise BadArgument("not so")

    with pytest.raises(BadArgument, match="not so"):
        asyncio.run(Beside().do(work))


def test_the_turn_of_what_cannot_begin_or_ends_badly_is_the_next_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Panic(BaseException):
        """Not an Exception: so libraries written in Rust end."""

    def panic() -> None:
        raise Panic

    def no_more(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> str:
        beside = Beside()
        with pytest.raises(Panic):
            await beside.do(panic)
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", no_more)
            with pytest.raises(RuntimeError, match="new thread"):
                await beside.do(str, "never")
        return await asyncio.wait_for(beside.do(str, "next"), 30)

    assert asyncio.run(main()) == "next"


def test_runs_inside_a_run_have_one_piece_at_work_with_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else one that starts many, and gives them little time, would leave a piece of each."""
    at_work: list[int] = []
    most: list[int] = []

    def read(text: str) -> Any:
        at_work.append(1)
        most.append(len(at_work))
        threading.Event().wait(0.5)
        at_work.pop()
        return text

    monkeypatch.setattr(yaml, "read", read)
    work = "yaml.decode(('x'):rep(5000))"
    (tmp_path / "inner.lua").write_text(work)
    (tmp_path / "main.lua").write_text(f"""
        local soon = {{limits = {{time = 0.2}}}}
        local function run() return (pcall(spell.run, "inner.lua", {{}}, soon)) end
        local told = parallel({{run, run, run}})
        {work}
        return told
    """)
    assert Session(folder=tmp_path).run_sync(tmp_path / "main.lua").value == [False] * 3
    assert set(most) == {1}


def test_a_run_has_one_piece_at_work() -> None:
    at_work, most = 0, 0

    def work(number: int) -> int:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        threading.Event().wait(0.01)
        at_work -= 1
        return number

    async def main() -> list[int]:
        beside = Beside()
        return await asyncio.gather(*(beside.do(work, i) for i in range(5)))

    assert asyncio.run(main()) == [0, 1, 2, 3, 4]
    assert most == 1


def test_nobody_waits_for_what_is_given_up_and_the_next_begins_after_it() -> None:
    begun: list[int] = []
    may_end = threading.Event()

    def work(number: int) -> int:
        begun.append(number)
        assert may_end.wait(30)
        return number

    async def main() -> None:
        beside = Beside()
        tasks = [asyncio.create_task(beside.do(work, i)) for i in range(3)]
        while not begun:
            await asyncio.sleep(0.001)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=30)
        assert all(task.cancelled() for task in tasks)
        after = asyncio.create_task(beside.do(work, 3))
        await asyncio.sleep(0.01)
        assert begun == [0]
        may_end.set()
        assert await after == 3

    asyncio.run(main())
    assert begun == [0, 3]


def test_what_ends_after_its_loop_disturbs_nobody(capfd: pytest.CaptureFixture[str]) -> None:
    may_end, ended = threading.Event(), threading.Event()

    def work() -> None:
        assert may_end.wait(30)
        ended.set()

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(Beside().do(work), 0.01)

    asyncio.run(main())
    may_end.set()
    assert ended.wait(30)
    for thread in threading.enumerate():
        if thread.name == "beside":
            thread.join(30)
    assert capfd.readouterr().err == ""
