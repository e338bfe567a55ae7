"""What a server or a script can make of the host's turns and memory with answers and failures."""

from __future__ import annotations

import asyncio
import gc
import socket
import traceback
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

import llmspell
from llmspell.host.net.http import Http
from llmspell.host.net.pages import PIECE, read_page
from llmspell.host.tools.mcp_tools import tool_name
from llmspell.values import decode, encode

PIECES = 60_000


def _serve(answer: bytes) -> int:
    listener = socket.create_server(("127.0.0.1", 0))

    def talk() -> None:
        with listener, listener.accept()[0] as connection:
            connection.recv(65536)
            connection.sendall(answer)

    Thread(target=talk, daemon=True).start()
    return int(listener.getsockname()[1])


async def _longest_turn(work: Any) -> tuple[Any, float]:
    """What `work` gives, and the processor seconds the loop took at most between two turns."""
    from time import thread_time

    longest, over = 0.0, asyncio.Event()

    async def beat() -> None:
        nonlocal longest
        last = thread_time()
        while not over.is_set():
            await asyncio.sleep(0)
            now = thread_time()
            longest, last = max(longest, now - last), now

    beating = asyncio.create_task(beat())
    await asyncio.sleep(0)
    gc.disable()  # what other tests have left is none of this work
    try:
        told = await work
    finally:
        gc.enable()
    over.set()
    await beating
    return told, longest


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            + b"1\r\nx\r\n" * PIECES
            + b"0\r\n\r\n",
            b"x" * PIECES,
        ),
        (
            b"HTTP/1.1 103 Wait\r\n\r\n" * 8000 + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            b"ok",
        ),
    ],
    ids=["chunks of a byte", "early answers"],
)
def test_an_answer_of_many_parts_lets_others_have_their_turns(answer: bytes, body: bytes) -> None:
    async def main() -> None:
        http = Http(lambda kind, resource: None)
        try:
            port = _serve(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await http.request("GET", f"http://127.0.0.1:{port}/")  # the library is imported
            port = _serve(answer)
            work = http.request("GET", f"http://127.0.0.1:{port}/")
            reply, longest = await _longest_turn(work)
        finally:
            await http.aclose()
        assert reply.body == body
        assert longest < 0.1

    asyncio.run(main())


@pytest.mark.parametrize("text", ["é", "\ufffd", "a"])
@pytest.mark.parametrize("charset", ["utf-8", "utf-16"])
def test_a_page_is_made_text_in_pieces(charset: str, text: str) -> None:
    text = "a" + text * PIECE  # its letters lie across the pieces
    headers = {"content-type": f"text/plain; charset={charset}"}

    async def main() -> str:
        return (await read_page("http://x/", headers, text.encode(charset))).text

    assert asyncio.run(main()) == text


@pytest.mark.parametrize(
    ("charset", "body"),
    [
        ("utf-16", "a page".encode("utf-16-le")),  # without a mark of the order of its bytes
        ("iso-2022-kr", b"a" * (PIECE - 12) + b"\x1b$" + b"(" * 30),
    ],
)
def test_what_cannot_be_made_text_in_pieces_is_made_at_once(charset: str, body: bytes) -> None:
    headers = {"content-type": f"text/plain; charset={charset}"}
    page = asyncio.run(read_page("http://x/", headers, body))
    assert page.text == body.decode(charset, "replace")


def test_what_is_no_text_of_a_page_takes_many_turns() -> None:
    work: Callable[[], Any] = lambda: read_page(  # noqa: E731
        "http://x/", {"content-type": "text/plain"}, b"\xff" * (16 * PIECE)
    )

    async def main() -> None:
        page, longest = await _longest_turn(work())
        assert page.text == "\ufffd" * (16 * PIECE)
        assert longest < 0.1

    asyncio.run(main())


@pytest.mark.parametrize("source", ["pcall(fs.read, '/')", "pcall(own.later)"])
def test_what_the_program_handles_meanwhile_keeps_its_frames(source: str) -> None:
    async def later() -> None:
        """Fails in a while."""
        await asyncio.sleep(0)
        raise RuntimeError("later")

    def gone() -> None:
        raise LookupError("what the spell stands in for")

    session = llmspell.Session(functions={"own.later": later})
    try:
        try:
            gone()
        except LookupError:
            session.run_sync(source)
            asyncio.run(session.run(source))
            raise
    except LookupError as error:
        assert [frame.name for frame in traceback.extract_tb(error.__traceback__)][-1] == "gone"


def test_a_failure_keeps_its_place_in_the_host_but_not_what_was_there() -> None:
    class Large:
        def __init__(self) -> None:
            self.bytes = bytes(1000)

    def made() -> None:
        """Fails with much in its hands."""
        large = Large()
        raise RuntimeError(f"cannot read {len(large.bytes)} bytes")

    def large_ones() -> int:
        return sum(type(thing) is Large for thing in gc.get_objects())

    session = llmspell.Session(functions={"own.made": made})
    source = "for _ = 1, 9 do pcall(own.made) end local ok, why = pcall(own.made) error(why, 0)"
    error = session.attempt_sync(source).error
    assert error is not None and error.host_error is not None
    assert large_ones() == 0
    trace = error.host_error.host_trace
    assert trace is not None
    assert "in made" in "".join(trace.format())


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("agent.create{tools = names}", "there is no tool n1"),
        ("tools.register('t', 'd', {}, print, {examples = maps})", "more than 1000 examples"),
        ("agent.create{output = {type = same}}", "a list of 10000 types"),
        ("sqlite.query('x.db', 'select 1', many)", "params must be at most 32766"),
        ("llm.batch(names)", "requests must be at most 5000"),
    ],
)
@pytest.mark.parametrize("isolation", ["none", "process"])
def test_much_that_is_refused_takes_no_turn_of_others(
    isolation: str, script: str, told: str, tmp_path: Path
) -> None:
    source = """
        local names, maps, many, same = {}, {}, {}, {}
        for i = 1, 10000 do names[i], maps[i], same[i] = "n" .. i, {args = {}}, "a" end
        for i = 1, 40000 do many[i] = i end
    """
    warm = """
        agent.create{model = 'test/offline', output = {type = 'object'}}
        pcall(agent.create, {tools = {'n'}}) pcall(llm.batch, {})
    """

    async def main() -> None:
        allowed = ["llm", "tool:*", f"fs.read:{tmp_path}/**"]
        async with llmspell.Session(isolation=isolation, allow=allowed, folder=tmp_path) as session:
            await session.run(warm)
            ended, longest = await _longest_turn(
                asyncio.gather(session.run(source + script), return_exceptions=True)
            )
        assert told in str(ended[0])
        assert longest < 0.1

    asyncio.run(main())


def test_slow_functions_of_the_program_have_a_turn_each() -> None:
    def slow() -> None:
        """Takes a while."""
        from time import thread_time

        until = thread_time() + 0.05
        while thread_time() < until:
            pass

    async def main() -> None:
        async with llmspell.Session(functions={"test.slow": slow}) as session:
            await session.run("return 1")
            _, longest = await _longest_turn(session.run("for i = 1, 6 do test.slow() end"))
        assert longest < 0.13  # two at the start

    asyncio.run(main())


def test_the_name_of_a_tool_takes_no_longer_the_longer_its_file_is_called() -> None:
    from time import thread_time

    began = thread_time()
    for _ in range(20):
        assert tool_name("my_", "." * 900_000) == "my_" + "_" * 61
    assert thread_time() - began < 0.1


def test_the_parts_of_a_value_have_no_garbage_collected() -> None:
    seen: list[str] = []

    def note(phase: str, info: dict[str, int]) -> None:
        seen.append(phase)

    text = b"[" + b"[]," * 60_000 + b"1]"
    gc.collect()
    gc.callbacks.append(note)
    try:
        value = decode(text)
        read = list(seen)
        seen.clear()
        encode(value)
        written = list(seen)
    finally:
        gc.callbacks.remove(note)
    # Once at the end of it, when what is new is looked at.
    assert len(read) <= 4
    assert len(written) <= 4
    assert gc.isenabled()
