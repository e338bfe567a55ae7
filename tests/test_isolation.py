"""Isolated spells: whatever a worker does or suffers, the host and the next spell are untouched."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import PATIENCE
from hypothesis import given
from hypothesis import strategies as st

from llmspell import (
    BadArgument,
    CallLimit,
    InternalError,
    IsolationError,
    LlmspellError,
    MemoryLimit,
    OutputLimit,
    ScriptRuntimeError,
    Session,
    SpellCrashed,
    TimeLimit,
    UsageError,
)
from llmspell.engines import engine
from llmspell.errors import Frame
from llmspell.host.settings import Settings
from llmspell.runtime import channel_end, isolation
from llmspell.runtime.catalogue import signatures
from llmspell.runtime.channel_end import Channel
from llmspell.runtime.frames import (
    LENGTH,
    MAX_FRAME,
    MAX_TEXT,
    TO_HOST,
    Frames,
    ProtocolError,
    check_text,
    exit_frame,
    pack,
    read_error,
    tell_error,
)
from llmspell.runtime.isolation import IsolatedEngine, RemoteIsolate
from llmspell.runtime.zygote import WARM, Zygote, launcher, spawn, zygotes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is a zygote on Linux only")

CANARY = "local t = {} for i = 1, 10 do t[i] = i * i end return {table.concat(t, ' '), time.iso(0)}"
SUNG = ["1 4 9 16 25 36 49 64 81 100", "1970-01-01T00:00:00+00:00"]


def session(**more: Any) -> Session:
    return Session(**{"level": "untrusted", "settings": Settings()} | more)


def names() -> bytes:
    """The first frame to a worker."""
    return pack("names", "lua", [[name, *item] for name, item in signatures().items()], "")


def zygote() -> Zygote:
    """The zygote that isolated spells of this process come from."""
    found = launcher(names())
    assert isinstance(found, Zygote)
    return found


def children(pid: int, states: str = "RSDT") -> list[int]:
    """Processes whose parent is `pid`, in one of these states."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(parent) == pid and state in states:
            found.append(int(path.parent.name))
    return found


def alive(pid: int) -> bool:
    """Whether the process is there and not a zombie that nobody reaps."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def kill(pids: Iterable[int]) -> None:
    """SIGKILL for each that is still there: one may end by itself in the meantime."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def kill_workers() -> None:
    """SIGKILL for every worker there is, the spare one too."""
    process = zygote()._process
    assert process is not None
    kill(children(process.pid))


async def sing(within: Session) -> None:
    """The next spell is as if nothing had been."""
    assert (await within.run(CANARY)).value == SUNG


async def error_of(run: Awaitable[Any]) -> LlmspellError:
    with pytest.raises(LlmspellError) as caught:
        await asyncio.wait_for(run, PATIENCE)
    return caught.value


# What crosses.


def test_what_is_isolated() -> None:
    assert session().isolation == "process"
    assert Session(settings=Settings()).isolation == "none"
    with pytest.raises(UsageError, match="level untrusted always runs in a process of its own"):
        session(isolation="none")
    with pytest.raises(UsageError, match="'jail' is not an isolation: use none or process"):
        session(isolation="jail")
    with pytest.raises(UsageError, match="given as an object, which cannot be isolated"):
        session(engine=engine("lua")).run_sync("return 1")


def test_a_run_record_says_what_was_active() -> None:
    record = session().run_sync(CANARY).as_dict()
    assert record["engine"].startswith("lua (Lua 5.4, lupa ")
    assert record["limits"]["memory"] == 64_000_000
    assert isinstance(record["seed"], int)
    assert record["isolation"]["process"] == ""
    assert Session(settings=Settings()).run_sync("return 1").as_dict()["isolation"] == {}


def test_a_layer_that_is_missing_is_named_and_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    async def connect(self: RemoteIsolate, deliver: Any, fail: Any) -> dict[str, str]:
        return {"process": "", "seccomp": "not in this kernel"}

    monkeypatch.setattr(RemoteIsolate, "connect", connect)
    with pytest.raises(IsolationError, match="seccomp: not in this kernel; landlock: not there"):
        session(require=["process", "seccomp", "landlock"]).run_sync("return 1")


def test_a_seed_repeats_random_numbers() -> None:
    source = "return {math.random(1e9), math.random(1e9)}"
    for how in ("none", "process"):
        first, second, other = (
            Session(seed=seed, isolation=how, settings=Settings()).run_sync(source).value
            for seed in (7, 7, 8)
        )
        assert first == second != other


def test_values_of_more_than_a_megabyte_do_not_cross() -> None:
    async def main() -> None:
        async with session(allow=["fs:./**"]) as s:
            large = "return ('x'):rep(1024 * 1024)"
            assert "the result is larger than" in str(await error_of(s.run(large)))
            error = await error_of(s.run("json.decode('\"' .. ('x'):rep(1024 * 1024) .. '\"')"))
            assert isinstance(error, BadArgument)
            assert "the arguments are larger than" in str(error)
            assert (await s.run("return #('x'):rep(700000)")).value == 700000
            error = await error_of(s.run("--" + "x" * MAX_TEXT))
            assert "the source is larger than" in str(error)
            await sing(s)

    asyncio.run(main())


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_an_error(data: bytes) -> None:
    frames = Frames(TO_HOST)
    frames.feed(data)
    try:
        for message in frames:
            assert message[0] in TO_HOST
    except ProtocolError:
        pass


@given(st.lists(st.tuples(st.integers(1, 2**40), st.text(max_size=20)), max_size=5), st.data())
def test_frames_survive_any_cut(calls: list[tuple[int, str]], data: st.DataObject) -> None:
    messages = [["call", number, "a.b", text] for number, text in calls]
    stream = b"".join(pack(*message) for message in messages)
    frames, read, at = Frames(TO_HOST), [], 0
    while at < len(stream):
        size = data.draw(st.integers(1, 40))
        frames.feed(stream[at : at + size])
        read += list(frames)
        at += size
    assert read == messages


@pytest.mark.parametrize(
    "data",
    [
        LENGTH.pack(0),
        LENGTH.pack(MAX_FRAME + 1),
        LENGTH.pack(2**32 - 1),
        *(
            LENGTH.pack(len(text)) + text
            for text in (
                b"{}", b"[]", b"nonsense", b'["print"]', b'["print",1]', b'["print","a","b"]',
                b'["call","1","a.b","[]"]', b'["call",true,"a.b","[]"]', b'["exec","ls"]',
                b'["state",1,0,1,1,1,[]]', b"\xff\xfe", b"[" * 5000, b"[" + b"9" * 5000 + b"]",
            )
        ),
    ],
)  # fmt: skip
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    frames = Frames(TO_HOST)
    frames.feed(data)
    with pytest.raises(ProtocolError):
        next(frames)


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "NaN", "-Infinity", "1e999", "9" * 20, "[" * 40 + "]" * 40, "[" * 2000,
     "[" + "0," * 100_000 + "0]", '"' + "x" * MAX_TEXT + '"', '"\ud800"'],
)  # fmt: skip
def test_what_is_no_value_is_refused(text: str) -> None:
    with pytest.raises(ProtocolError):
        check_text(text)


def test_others_have_a_turn_between_the_check_and_the_reading_of_a_large_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[Any] = []

    class Listener:
        def heard(self, message: list[Any]) -> None:
            told.append(("heard", message[1]))

        def gone(self, message: list[Any] | None) -> None:
            told.append("gone")

        broken = gone

    def checking(text: str) -> bytes:
        told.append(("checked", len(text)))
        asyncio.get_running_loop().call_soon(told.append, "another's turn")
        return check_text(text)

    async def listen() -> None:
        ours, theirs = socket.socketpair()
        loop = asyncio.get_running_loop()
        with theirs:
            frames = [pack("call", 1, "x", '"small"'), pack("call", 2, "x", f'"{"l" * 20000}"')]
            theirs.sendall(b"".join([*frames, pack("cancel", 2)]))
        await loop.create_connection(lambda: Channel(Listener(), loop), sock=ours)  # type: ignore[arg-type]
        while "gone" not in told:
            await asyncio.sleep(0.001)

    monkeypatch.setattr(channel_end, "check_text", checking)
    asyncio.run(asyncio.wait_for(listen(), PATIENCE))
    shown = [("checked", 7), ("heard", 1), ("checked", 20002), "another's turn", "another's turn",
             ("heard", 2), ("heard", 2)]  # fmt: skip
    assert told[: told.index("gone")] == shown


def test_the_exit_frame_is_found_behind_a_frame_that_was_cut_off() -> None:
    for status in (0, 9, 139, 65280):
        for before in (b"", pack("print", "x"), pack("print", "x" * 100)[:50], LENGTH.pack(2**31)):
            frames = Frames(TO_HOST)
            frames.feed(before + exit_frame(status))
            assert frames.last() == ["exit", status]
    assert Frames(TO_HOST).last() is None


def test_errors_cross_whole() -> None:
    for error in (
        ScriptRuntimeError("m", frames=(Frame("a", 1, "f"),), value={"x": [1]}),
        BadArgument("m", code="c", capability="a.b", retryable=True, frames=(Frame("a", 1),)),
        MemoryLimit("5 bytes"),
        InternalError("m"),
    ):
        crossed = read_error(json.loads(json.dumps(tell_error(error))))
        assert type(crossed) is type(error)
        assert crossed.as_dict() == error.as_dict()
    for told in ({}, {"type": "UsageError", "code": "usage", "message": "m", "frames": []},
                 tell_error(InternalError("m")) | {"frames": [[1]]}):  # fmt: skip
        with pytest.raises(ProtocolError):
            read_error(told)


def test_an_error_that_is_too_large_with_its_value_is_told_without_it() -> None:
    quotes = "('\"'):rep(%d)"
    source = (
        f"error({{message = {quotes % 65000}, code = {quotes % 65000}, data = {quotes % 392000}}})"
    )
    error = session().attempt_sync(source).error
    assert isinstance(error, ScriptRuntimeError)
    assert (error.message, error.value) == ('"' * 65000, None)


# Workers that die.


def killed(*args: Any) -> None:
    kill_workers()


STEPS: dict[str, tuple[str, str]] = {
    "run": ("run", "return 1"),
    "resume": ("resume", "time.now() return 1"),
    "call": ("call", "tools.register('t', 'd', {type = 'object'}, function() end)"
                     " return tools.execute('t', {})"),
}  # fmt: skip


@pytest.mark.parametrize("step", STEPS)
def test_a_worker_killed_before_a_frame_reaches_it(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, source = STEPS[step]
    original = getattr(RemoteIsolate, method)

    def killing(self: RemoteIsolate, *args: Any) -> Any:
        kill_workers()
        time.sleep(0.05)
        return original(self, *args)

    async def main() -> None:
        async with session(allow=["tool"]) as s:
            await sing(s)
            with monkeypatch.context() as patch:
                patch.setattr(RemoteIsolate, method, killing)
                error = await error_of(s.run(source))
            assert isinstance(error, SpellCrashed)
            assert error.signal in (signal.SIGKILL, None)
            await sing(s)

    asyncio.run(main())


@pytest.mark.parametrize(
    "source",
    ["while true do end", "sleep(60)", "parallel{function() sleep(60) end, function() while true "
     "do end end}", "string.find(('a'):rep(1e4), '.-.-.-.-b$')"],
)  # fmt: skip
def test_a_worker_killed_while_it_works_or_waits(source: str) -> None:
    async def main() -> None:
        begun = asyncio.Event()
        async with session(output=lambda text: begun.set()) as s:
            await sing(s)
            run = asyncio.create_task(s.run(f"print('begun') sleep(0) {source}"))
            await asyncio.wait_for(begun.wait(), PATIENCE)
            await asyncio.sleep(0.2)
            began = time.monotonic()
            kill_workers()
            error = await error_of(run)
            assert isinstance(error, SpellCrashed)
            assert error.signal == signal.SIGKILL
            assert str(error) == "the process of the spell died of SIGKILL"
            assert time.monotonic() - began < 5
            await sing(s)

    asyncio.run(main())


def test_a_worker_that_dies_before_it_is_ready_is_replaced_once() -> None:
    launched = 0

    def dying(channel: socket.socket) -> Callable[[], None]:
        nonlocal launched
        launched += 1
        if launched == 1:
            return lambda: None  # the host closes its copy, and nobody has another
        return zygote()(channel)

    result = session(engine=IsolatedEngine("lua", dying)).run_sync(CANARY)
    assert (result.value, launched) == (SUNG, 2)
    error = session(engine=IsolatedEngine("lua", lambda channel: lambda: None)).attempt_sync("")
    assert isinstance(error.error, SpellCrashed)


def test_the_zygote_killed() -> None:
    async def main() -> None:
        async with session() as s:
            await sing(s)
            runs = [asyncio.create_task(s.run("sleep(60)")) for _ in range(5)]
            await asyncio.sleep(0.3)
            process = zygote()._process
            assert process is not None
            workers = children(process.pid)
            process.kill()
            for run in runs:
                assert isinstance(await error_of(run), SpellCrashed)
            await sing(s)
            assert zygote()._process is not process
            assert not any(map(alive, workers))

    asyncio.run(main())


def test_a_program_that_ends_leaves_no_process(cli: Any) -> None:
    cli.write("while true do end")
    process = cli.start("run", "spell.lua", "--level", "untrusted", "--timeout", "50")
    deadline = time.monotonic() + 20
    while not (found := children(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    below = [pid for parent in found for pid in children(parent)]
    process.kill()
    process.wait()
    while any(map(alive, found + below)):
        assert time.monotonic() < deadline, "the zygote or a worker outlived the program"
        time.sleep(0.05)


def test_interrupt_from_the_keyboard_is_the_hosts(cli: Any) -> None:
    cli.write("print('go') sleep(60)")
    process = cli.start("run", "spell.lua", "--level", "untrusted")
    assert process.stdout.readline() == b"go\n"
    process.send_signal(signal.SIGINT)
    done = cli.finish(process)
    assert (done.code, "interrupted" in done.err) == (130, True)


# Workers that are hostile.

Reply = Callable[[socket.socket, list[Any]], None]


def hostile(reply: Reply) -> IsolatedEngine:
    """An engine whose worker says it is ready, and then answers each frame as `reply` does."""

    def serve(channel: socket.socket) -> None:
        frames = Frames({"open": (dict,), "run": (int, str, str, str, int), "resume": (int, str),
                         "refuse": (int, dict), "call": (int, (int, str), str)})  # fmt: skip
        with channel:
            try:
                while data := channel.recv(65536):
                    frames.feed(data)
                    for message in frames:
                        if message[0] == "open":
                            channel.sendall(pack("ready", {"process": ""}))
                        else:
                            reply(channel, message)
            except OSError:
                pass

    def launch(channel: socket.socket) -> Callable[[], None]:
        threading.Thread(target=serve, args=(channel.dup(),), daemon=True).start()
        return lambda: None

    return IsolatedEngine("lua", launch)


def frame(raw: bytes) -> bytes:
    return LENGTH.pack(len(raw)) + raw


STATE = pack("state", 1, False, 1, 1, 1, 1, 0.1, [])


def once(data: bytes) -> Reply:
    return lambda channel, message: channel.sendall(data)


def flood(data: bytes) -> Reply:
    def reply(channel: socket.socket, message: list[Any]) -> None:
        for _ in range(200_000_000 // len(data)):
            channel.sendall(data)

    return reply


def hang_up(channel: socket.socket, message: list[Any]) -> None:
    channel.close()


BROKEN: dict[str, Reply] = {
    "truncated frame": lambda channel, message: (channel.sendall(STATE[:-3]), channel.close())[0],
    "hang up": hang_up,
    "oversized frame": once(LENGTH.pack(2**31)),
    "noise": once(b"\xff" * 5000),
    "ready again": once(pack("ready", {})),
    "a state of the future": once(pack("state", 99, False, 1, 1, 1, 1, 0.1, [])),
    "a warning of what the host sees": once(pack("near", "calls")),
    "the end of another entry": once(pack("done", 2, "1")),
    "two ends": once(pack("done", 2, "1") + pack("done", 2, "1")),
    "a value that is none": once(STATE + pack("done", 1, "{")),
    "a value too deep": once(STATE + pack("done", 1, "[" * 60 + "]" * 60)),
    "an error that is none": once(STATE + pack("fail", 1, {"type": "SystemExit"})),
    "calls with one number": once(pack("call", 1, "time.now", "[]") * 2),
    "a call with a value that is none": once(pack("call", 1, "time.now", "[NaN]")),
    "cancels what is not there": once(pack("cancel", 5)),
    "drops what it was not given": once(pack("drop", [1, 1])),
    "drops nothing": once(pack("drop", [])),
    "drops half a handle": once(pack("drop", [1])),
    "drops what is no handle": once(pack("drop", ["1", 1])),
    "drops a handle less than once": once(pack("drop", [1, -5])),
    "output of half a character": once(STATE + frame(b'["print","\\ud83d"]')),
    "a call with half a character": once(frame(b'["call",1,"log.info"]\n["\\uD83D"]')),
    "a place that is half a character": once(
        frame(b'["state",1,false,1,1,1,1,0.1,[["\\udc00",1,""]]]')
    ),
    "flood of drops": flood(pack("drop", [1, 0])),
    "output of nothing": once(pack("print", "")),
    "flood of states": flood(STATE),
    "flood of cancels": flood(pack("cancel", 1)),
    "flood of noise": flood(os.urandom(65536)),
    "an exit frame and more": once(exit_frame(9) + pack("print", "x")),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_worker_that_breaks_the_protocol(what: str) -> None:
    async def main() -> None:
        async with session(engine=hostile(BROKEN[what]), limits={"time": 10}) as s:
            error = await error_of(s.run("return 1"))
            assert isinstance(error, SpellCrashed)
        async with session() as s:
            await sing(s)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("what", "limit"),
    [
        (flood(pack("print", "x" * 1000)), OutputLimit),
        (flood(pack("print", "x")), OutputLimit),
        (lambda channel, message: [channel.sendall(pack("call", n, "time.now", "[]"))
                                   for n in range(1, 10_000)], CallLimit),
        (lambda channel, message: [channel.sendall(pack("call", n, "sleep.long", "[]"))
                                   for n in range(1, 10_000)], CallLimit),
        (lambda channel, message: None, TimeLimit),
        (once(STATE), TimeLimit),
        (once(LENGTH.pack(1000) + b"["), TimeLimit),
    ],
)  # fmt: skip
def test_a_worker_within_the_protocol_meets_the_limits(what: Reply, limit: type) -> None:
    async def main() -> None:
        patience = 1 if limit is TimeLimit else PATIENCE  # a busy machine is slow to count
        bounds = {"time": patience, "output": 2000, "calls": 100}
        async with session(engine=hostile(what), limits=bounds) as s:
            assert type(await error_of(s.run("return 1"))) is limit

    asyncio.run(main())


def test_a_forged_handle_or_function_opens_nothing() -> None:
    tagged = json.dumps([{"\0handle": ["agent", 1]}, "hi"])
    said: list[Any] = []

    def reply(channel: socket.socket, message: list[Any]) -> None:
        said.append(message)
        end = pack("call", 1, "agent.run", tagged) if len(said) == 1 else pack("done", 1, "1")
        channel.sendall(end)

    session(engine=hostile(reply), allow=["llm"]).run_sync("")
    word, _, told = said[1]
    assert (word, told["type"], told["code"]) == ("refuse", "NotFound", "not_found")


# Many, and what is left of them.


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Descriptors of host and zygote, and processes, are as many after as before."""
    asyncio.run(one())
    process = zygote()._process
    assert process is not None

    def held() -> tuple[int, int, int, int]:
        own, its = (len(os.listdir(f"/proc/{pid}/fd")) for pid in ("self", process.pid))
        return own, its, len(children(process.pid)), len(children(process.pid, "Z"))

    def settled() -> tuple[int, int, int, int]:
        time.sleep(0.1)  # the spare is forked when the zygote has nothing else to do
        return held()

    before = settled()
    yield
    deadline = time.monotonic() + 10
    while (after := settled()) != before:
        assert time.monotonic() < deadline, f"{after}, not {before}"


async def one() -> None:
    async with session() as s:
        await sing(s)


@pytest.mark.usefixtures("nothing_left")
def test_nobody_stays_awake_for_a_worker_that_is_silent() -> None:
    async def spent() -> float:
        async with Session(isolation="process") as session:
            await session.run("json.encode(1)")
            before = time.process_time()
            await session.run("for i = 1, 50 do json.encode(i) end sleep(1)")
            return time.process_time() - before

    assert asyncio.run(spent()) < 0.6


@pytest.mark.usefixtures("nothing_left")
def test_two_hundred_at_once() -> None:
    async def main() -> None:
        async with session() as s:
            source = "sleep(0.2) local n = 0 for i = 1, 10000 do n = n + i end return {params.n, n}"
            results = await asyncio.gather(*(s.run(source, {"n": n}) for n in range(200)))
            assert [result.value for result in results] == [[n, 50005000] for n in range(200)]

    asyncio.run(main())


@pytest.mark.usefixtures("nothing_left")
def test_two_hundred_that_end_badly() -> None:
    ways = [
        *("while true do end", "error('x')", "return nil + 1", "sleep(100)"),
        "for i = 1, 1e9 do print(i) end",
        "local t = {} while true do t[#t + 1] = ('x'):rep(1e5) .. #t end",
    ]

    async def main() -> None:
        async with session(limits={"time": 3, "memory": "8MB"}) as s:
            sources = [ways[n % len(ways)] for n in range(200)]
            results = await asyncio.gather(*(s.attempt(source) for source in sources))
            assert all(result.error is not None for result in results)
            await sing(s)

    asyncio.run(main())


@pytest.mark.usefixtures("nothing_left")
def test_cancelled_runs_leave_nothing() -> None:
    async def main() -> None:
        async with session() as s:
            for wait in (0, 0.001, 0.01, 0.1):
                runs = [asyncio.create_task(s.run("sleep(60)")) for _ in range(10)]
                await asyncio.sleep(wait)
                for run in runs:
                    run.cancel()
                await asyncio.wait(runs)
                assert all(run.cancelled() for run in runs)
            await sing(s)

    asyncio.run(main())


def test_from_several_threads_and_loops() -> None:
    failures = []

    def work() -> None:
        try:
            for _ in range(5):
                assert session().run_sync(CANARY).value == SUNG
        except BaseException as error:  # noqa: BLE001 - told by the main thread
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []


# Where there is no zygote.


def test_workers_that_are_spawned() -> None:
    async def main() -> None:
        async with session(engine=IsolatedEngine("lua", spawn(names()))) as s:
            result = await s.run(CANARY)
            assert (result.value, result.isolation["process"]) == (SUNG, "")
            error = await error_of(s.run("while true do end", limits={"time": 0.3}))
            assert isinstance(error, TimeLimit)
            pattern = "string.find(('a'):rep(1e4), '.-.-.-.-b$')"
            assert isinstance(await error_of(s.run(pattern, limits={"time": 0.3})), TimeLimit)
            run = asyncio.create_task(s.run("sleep(60)"))
            deadline = time.monotonic() + 20
            own = {zygote()._process.pid} if zygote()._process else set()  # type: ignore[union-attr]
            while not set(children(os.getpid())) - own:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)
            await asyncio.sleep(1)
            kill(set(children(os.getpid())) - own)
            error = await error_of(run)
            assert isinstance(error, SpellCrashed)
            assert error.signal == signal.SIGKILL

    asyncio.run(main())


def test_a_worker_that_cannot_start_is_told_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "START", 0.2)
    held: list[socket.socket] = []

    def silent(channel: socket.socket) -> Callable[[], None]:
        held.append(channel.dup())
        return lambda: None

    result = session(engine=IsolatedEngine("lua", silent)).attempt_sync("return 1")
    assert str(result.error) == "the process of the spell was not ready in time"
    for channel in held:
        channel.close()


def test_a_run_that_is_cancelled_while_its_worker_gets_ready_ends_at_once() -> None:
    async def main() -> None:
        async with Session(isolation="process") as session:
            await session.run("return 1")  # the zygote is there
            for moment in range(0, 16, 2):
                task = asyncio.create_task(session.run("sleep(600)"))
                await asyncio.sleep(moment / 1000)
                task.cancel()
                await asyncio.wait({task}, timeout=PATIENCE)
                assert task.cancelled()

    asyncio.run(main())


# Zygotes of many sets of names.


def given(x: int) -> int:
    """Gives it.

    x: a number.
    returns: it.
    """
    return x


def test_few_zygotes_are_kept_and_none_is_ended_that_has_a_worker() -> None:
    async def shop(number: int, source: str = "return shop{}.given({})") -> Any:
        async with session(functions={f"shop{number}.given": given}) as within:
            return (await within.run(source.format(number, number))).value

    def running() -> int:
        return sum(zygote._process is not None for zygote in list(zygotes._all.values()))

    async def main() -> None:
        long = asyncio.create_task(shop(0, "sleep(4) return shop{}.given({} + 42)"))
        await asyncio.sleep(0.3)
        for number in range(1, 13):
            assert await shop(number) == number
            assert running() <= WARM
        assert not long.done()
        assert await long == 42
        assert await shop(1) == 1
        assert running() == len(zygotes._warm) <= WARM

    asyncio.run(main())
