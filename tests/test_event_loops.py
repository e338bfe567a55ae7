"""Spells run under event loops that are not asyncio's own: uvloop, which servers often have."""

# ruff: noqa: E501 - spells stand on their lines
from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from conftest import PATIENCE
from test_mcp import SERVER, USE, USED

from llmspell import Session, TimeLimit
from llmspell.host.settings import ProviderSettings, Settings
from llmspell.testing.servers import ModelServer

if sys.platform == "win32":
    pytest.skip("there is no uvloop on Windows", allow_module_level=True)
import uvloop

T = TypeVar("T")

SPELLS = {
    "lua": """
        local waits = {async(function() return sleep(0.02) or "slept" end), async(function() return http.get(params.url .. "/text").status end)}
        local pieces = {}
        for piece in llm.stream("one two three", {model = "local/echo"}) do pieces[#pieces + 1] = piece end
        return {parallel(waits)[2], table.concat(pieces)}
    """,
    "javascript": """
        const waits = [sleep(0.02), http.get(params.url + "/text").then(got => got.status)];
        let pieces = "";
        for await (const piece of llm.stream("one two three", {model: "local/echo"})) pieces += piece;
        export default [(await parallel(waits))[1], pieces];
    """,
    "tengo": """
        waits := [async(func() { sleep(0.02) }), async(func() { return http.get(params.url + "/text").status })]
        pieces := ""
        for piece in llm.stream("one two three", {model: "local/echo"}) { pieces += piece }
        result := [parallel(waits)[1], pieces]
    """,
}

ENDLESS = {"lua": "while true do end", "javascript": "for (;;) {}", "tengo": "for true {}"}


def under_uvloop(main: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


@pytest.mark.parametrize("isolation", ["none", "process"])
@pytest.mark.parametrize("language", SPELLS)
def test_spells_run_under_uvloop(language: str, isolation: str) -> None:
    async def main(server: ModelServer) -> None:
        local = ProviderSettings("openai_compatible", server.url + "/v1")
        async with Session(
            engine=language,
            isolation=isolation,
            settings=Settings(providers={"local": local}),
            allow=["net:127.0.0.1"],
        ) as session:
            result = await session.run(SPELLS[language], {"url": server.url})
            assert result.value == [200, "echo: one two three"]
            with pytest.raises(TimeLimit):
                await session.run(ENDLESS[language], limits={"time": 0.3})

    with ModelServer() as server:
        under_uvloop(main(server))


def test_a_program_keeps_the_name_it_is_called_by(tmp_path: Path) -> None:
    # By which the Python of a virtual environment, a link, finds its packages.
    link = tmp_path / "linked"
    link.symlink_to("/bin/sh")
    source = 'return process.exec({params.link, "-c", "echo $0; exit 3"})'

    async def main() -> None:
        async with Session(level="privileged", folder=tmp_path) as session:
            told = (await session.run(source, {"link": str(link)})).value
            assert (told["stdout"], told["code"]) == (f"{link}\n", 3)

    under_uvloop(main())
    asyncio.run(main())


def test_a_server_of_tools_on_stdio_serves_under_uvloop(tmp_path: Path) -> None:
    script = tmp_path / "server.py"
    script.write_text(SERVER)
    at = {"command": [sys.executable, str(script)], "timeout": PATIENCE}

    async def main() -> Any:
        async with Session(level="privileged", folder=tmp_path) as session:
            return (await session.run(USE, {"at": at})).value

    assert under_uvloop(main()) == USED


@pytest.mark.skipif(sys.platform != "linux", reason="there is a zygote on Linux only")
def test_a_worker_that_is_killed_is_a_crash_under_uvloop() -> None:
    source = """
        while true do
          local jobs = {}
          for i = 1, 1000 do jobs[i] = function() return json.encode(i) end end
          parallel(jobs)
        end
    """

    def children(process: int) -> list[int]:
        path = Path(f"/proc/{process}/task/{process}/children")
        return [int(word) for word in path.read_text().split()]

    async def main() -> list[str]:
        found = []
        limits = {"time": 20, "tasks": 2000, "calls": 10**7}
        async with Session(isolation="process", limits=limits) as session:
            for _ in range(4):
                run = asyncio.ensure_future(session.attempt(source))
                await asyncio.sleep(0.4)
                for zygote in children(os.getpid()):
                    for worker in children(zygote):
                        os.kill(worker, signal.SIGKILL)
                found.append(type((await run).error).__name__)
        return found

    assert under_uvloop(main()) == ["SpellCrashed"] * 4
