"""Errors as data: records and their bounds, trying again, breakers, variables, logs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from conftest import Command

import llmspell
from llmspell import records
from llmspell.errors import (
    Cancelled,
    CapabilityError,
    FileNotFound,
    Frame,
    HostFailure,
    LlmspellError,
    MemoryLimit,
    ScriptFailure,
    ScriptRuntimeError,
)
from llmspell.host import errors
from llmspell.host.breakers import Breaker, BreakerOptions
from llmspell.host.clock import sleep
from llmspell.host.errors import RetryOptions
from llmspell.runtime.frames import ProtocolError, read_error, tell_error
from llmspell.runtime.gate import CallRecord
from llmspell.runtime.result import Result
from llmspell.runtime.session import Session

ISOLATIONS = ("none", "process")


def in_a_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Runs a test that waits."""

    def run() -> None:
        asyncio.run(test())

    return run


def failed(source: str, **options: Any) -> LlmspellError:
    """The error that ends a run."""
    error = Session(**options).attempt_sync(source).error
    assert error is not None
    return error


# Records.


def test_a_record_has_all_of_an_error() -> None:
    error = FileNotFound("gone", capability="fs.read", frames=(Frame("a.lua", 3, "f"),))
    error.details = {"attempts": 2}
    assert records.tell(error) == {
        "type": "FileNotFound", "code": "not_found", "message": "gone", "retryable": False,
        "capability": "fs.read", "file": "a.lua", "line": 3,
        "frames": [{"file": "a.lua", "line": 3, "function": "f"}], "attempts": 2,
    }  # fmt: skip


@pytest.mark.parametrize("raised", [None, True, [], [1], {}, b"\xff", 5, "text", {"message": {}}])
def test_anything_raised_has_a_record_of_the_same_shape(raised: Any) -> None:
    record = records.read(raised)
    assert record["type"] == "ScriptRuntimeError"
    assert record["code"] == "runtime"
    assert isinstance(record["message"], str)
    assert record["message"]
    errors.ErrorRecord(**record)  # no key of it is unknown


def test_keys_of_the_wrong_type_are_left_out() -> None:
    odd = {"type": [1], "code": {}, "message": "m", "file": 5, "line": "x", "frames": [1, {}],
           "capability": None, "retryable": "yes", "context": 3, "attempts": -1}  # fmt: skip
    assert records.read(odd) == records.read({"message": "m"})


def test_records_are_bounded() -> None:
    long = "x" * 100_000
    many = [{"file": "a", "line": 1, "function": long}] * 1000
    deep: Any = {"message": long, "code": long, "frames": many, "data": long}
    for _ in range(1000):
        deep = {"message": long, "code": long, "frames": many, "data": long, "cause": deep}
    record = records.read(deep)
    assert len(records.chain(record)) == records.MAX_CAUSES
    assert len(json.dumps(record)) < 400_000
    assert len(record["frames"]) == records.MAX_FRAMES
    assert "left_out" in record["context"]


def test_a_cause_that_contains_itself_ends() -> None:
    error: dict[str, Any] = {"message": "m"}
    error["cause"] = {"message": "n", "cause": error}
    links = records.chain(records.read(error))
    assert len(links) == records.MAX_CAUSES
    assert [link["message"] for link in links[:3]] == ["m", "n", "m"]


def test_only_frames_of_the_program_are_taken_from_a_script() -> None:
    error = ScriptRuntimeError("m", frames=(Frame("spell", 9),))
    forged = {"frames": [{"file": "/etc/passwd", "line": 1}, {"file": "spell", "line": 2}]}
    records.adopt(error, forged, {"spell"})
    assert error.frames == (Frame("spell", 2), Frame("spell", 9))


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_the_chain_goes_through_the_end_of_the_run(isolation: str) -> None:
    source = """
        local ok, e = pcall(function()
          local text = fs.read("missing.txt")
        end)
        local middle = {message = "no settings", code = "settings", cause = e, n = 1}
        local function start() error(errors.wrap(middle, "cannot start", "start")) end
        start()
    """
    error = failed(source, isolation=isolation)
    assert type(error) is ScriptRuntimeError
    told = json.loads(json.dumps(error.as_dict()))
    assert (told["type"], told["code"], told["message"]) == (
        "ScriptRuntimeError", "start", "cannot start"
    )  # fmt: skip
    assert told["exit_code"] == 4
    assert (told["line"], told["source_line"].strip()[:20]) == (6, "local function start")
    assert [(step["line"], step["function"]) for step in told["frames"]] == [(6, "start"), (7, "")]
    middle = told["cause"]
    assert (middle["code"], middle["message"]) == ("settings", "no settings")
    assert middle["context"] == {"n": 1}
    root = middle["cause"]
    assert (root["type"], root["code"], root["line"]) == ("FileNotFound", "not_found", 3)


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_attempts_and_both_stacks_go_through_the_end_of_the_run(isolation: str) -> None:
    source = """local function ask()
  error({message = "busy", retryable = true})
end
local function main()
  errors.retry(ask, {initial_delay = 0, max_attempts = 2})
  return 1
end
main()
"""
    error = failed(source, isolation=isolation)
    assert [frame.line for frame in error.frames] == [2, 5, 8]
    assert error.as_dict()["attempts"] == 2
    assert error.as_dict()["retryable"] is True
    assert (error.retryable, error.exit_code) == (True, 4)


@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize("raised", [("Denied", "denied"), ("TimeLimit", "time"), ("X", "internal")])
def test_a_script_cannot_say_what_only_the_host_says(
    raised: tuple[str, str], isolation: str
) -> None:
    kind, code = raised
    source = f"error({{message = 'm', code = '{code}', type = '{kind}', capability = 'fs.read'}})"
    error = failed(source, isolation=isolation)
    assert type(error) is ScriptRuntimeError
    assert (error.code, error.exit_code) == ("denied" if code == "denied" else "runtime", 4)


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_the_record_of_a_failure_that_happened_ends_the_run_as_it(isolation: str) -> None:
    source = """
        errors.try(function()
          local text = fs.read("missing.txt")
        end, function(e) error(e) end)
    """
    error = failed(source, isolation=isolation)
    assert type(error) is FileNotFound
    assert (error.exit_code, error.capability, error.line) == (12, "fs.read", 3)


def test_errors_cross_to_a_worker_and_back() -> None:
    error = ScriptFailure("m", code="c", retryable=True, frames=(Frame("spell", 2, "f"),))
    error.details = {"cause": records.read("why"), "context": {"n": 1}, "attempts": 3}
    again = read_error(json.loads(json.dumps(tell_error(error))))
    assert type(again) is ScriptFailure
    assert again.as_dict() == error.as_dict()


@pytest.mark.parametrize(
    "forged",
    [
        {"details": 5},
        {"details": "{"},
        {"details": "[" * 100 + "]" * 100},
        {"variables": 5},
        {"variables": [5]},
        {"variables": [[{}, {}]] * 21},
    ],
)
def test_details_of_a_hostile_worker_are_refused(forged: dict[str, Any]) -> None:
    told = tell_error(ScriptRuntimeError("m"))
    with pytest.raises(ProtocolError):
        read_error(told | forged)


def test_details_of_a_hostile_worker_are_bounded() -> None:
    told = tell_error(ScriptRuntimeError("m"))
    names = {f"v{i}" * 1000: "x" * 10_000 for i in range(1000)}
    error = read_error(told | {"details": '{"cause": 5, "attempts": "x"}',
                               "variables": [[names, 3]] * 20})  # fmt: skip
    assert error.details == {"cause": records.read(5)}
    assert len(str(error.variables)) < 20 * 20 * 800


# Trying again.


class Sleeps:
    """Stands where a context does: it takes the calls that retry makes."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    async def invoke(self, *call: Any) -> None:
        self.calls.append(call)


def waits(error: Callable[[], Exception] | None = None, **options: Any) -> list[float]:
    """Seconds between the attempts of something that always fails."""
    context = Sleeps()

    async def fail(attempt: int) -> None:
        raise error() if error else HostFailure("busy", retryable=True)

    function: Any = fail
    with pytest.raises(CapabilityError) as caught:
        asyncio.run(errors.retry(context, function, RetryOptions(**options)))  # type: ignore[arg-type]
    assert caught.value.details["attempts"] == len(context.calls) + 1
    assert all(call[0] == "time.sleep" for call in context.calls)
    return [call[1] for call in context.calls]


def test_delays_grow_as_they_should() -> None:
    assert waits(max_attempts=8) == [1, 2, 4, 8, 16, 30, 30]
    assert waits(max_attempts=5, strategy="linear", max_delay=3.5) == [1, 2, 3, 3.5]
    assert waits(max_attempts=4, strategy="constant", initial_delay=0.5) == [0.5, 0.5, 0.5]
    assert waits(max_attempts=4, multiplier=10, initial_delay=0.1, max_delay=5) == [0.1, 1, 5]
    assert waits(max_attempts=1000, multiplier=1e300)[-1] == 30
    assert waits(max_attempts=1) == []


def test_a_delay_that_the_error_asks_for_is_kept_up_to_the_most() -> None:
    def wishing(seconds: float) -> Callable[[], HostFailure]:
        def make() -> HostFailure:
            error = HostFailure("busy", retryable=True)
            error.details = {"context": {"retry_after": seconds}}
            return error

        return make

    assert waits(wishing(7), max_attempts=2) == [7]
    assert waits(wishing(700), max_attempts=2) == [30]
    assert waits(wishing(0.1), max_attempts=2) == [1]


def test_chance_makes_a_wait_shorter_never_longer() -> None:
    slept = [sleep(10, 0.5).timeout or 0 for _ in range(200)]
    assert sleep(10).timeout == 10
    assert 5 <= min(slept) < 6
    assert 9 < max(slept) <= 10
    assert len(set(slept)) > 100


def test_a_run_that_retried_and_broke_circuits_replays_as_it_was(tmp_path: Path) -> None:
    source = """
        local b = errors.circuit_breaker({failure_threshold = 2, reset_timeout = 0.2})
        local a = agent.create()
        local out = {tostring(b), tostring(a)}
        local n = 0
        local function ask()
          n = n + 1
          local moment = time.now()
          if n < 5 then error({message = "busy " .. n, retryable = true}) end
          return moment
        end
        for i = 1, 3 do
          local ok, e = pcall(b.call, b, ask)
          out[#out + 1] = e.code .. " " .. b:state()
        end
        local options = {max_attempts = 10, initial_delay = 0.05}
        out[#out + 1] = errors.retry(function() return b:call(ask) end, options)
        out[#out + 1] = n
        return out
    """
    journal = tmp_path / "run.jsonl"
    first = Session(record=journal, model="test/offline").run_sync(source).value
    assert first[:5] == [
        "breaker#1",
        "agent#2",
        "runtime closed",
        "runtime open",
        "circuit_open open",
    ]
    assert first[-1] == 5
    assert Session(replay=journal).run_sync(source).value == first


# Circuit breakers.


class Time:
    now = 1000.0

    async def __call__(self) -> float:
        return self.now


async def _fine() -> str:
    return "fine"


async def _fail() -> None:
    raise ScriptRuntimeError("no luck")


fine: Any = _fine
fail: Any = _fail


async def refused(work: Awaitable[Any]) -> str:
    with pytest.raises(CapabilityError) as caught:
        await work
    return caught.value.code


@in_a_loop
async def test_the_states_of_a_breaker() -> None:
    clock, breaker = Time(), Breaker(BreakerOptions(failure_threshold=2, reset_timeout=30))
    for code, state in (("runtime", "closed"), ("runtime", "open"), ("circuit_open", "open")):
        assert (await refused(breaker.call(fail, clock)), await breaker.state(clock)) == (
            code,
            state,
        )
    clock.now += 29.9
    assert await breaker.state(clock) == "open"
    clock.now += 0.1
    assert await breaker.state(clock) == "half_open"
    assert await refused(breaker.call(fail, clock)) == "runtime"
    assert await breaker.state(clock) == "open"
    clock.now += 30
    assert await breaker.call(fine, clock) == "fine"
    assert await breaker.state(clock) == "closed"
    assert await refused(breaker.call(fail, clock)) == "runtime"
    assert await breaker.state(clock) == "closed"


@in_a_loop
async def test_a_clock_that_was_set_back_keeps_no_breaker_open_for_longer() -> None:
    clock, breaker = Time(), Breaker(BreakerOptions(failure_threshold=1, reset_timeout=30))
    await refused(breaker.call(fail, clock))
    clock.now -= 1e6
    with pytest.raises(HostFailure, match="try again in 30 s"):
        await breaker.call(fine, clock)


@in_a_loop
async def test_calls_that_began_before_a_breaker_turned_do_not_count() -> None:
    clock, breaker = Time(), Breaker(BreakerOptions(failure_threshold=1, reset_timeout=0))
    gate = asyncio.Event()

    async def late() -> None:
        await gate.wait()
        raise ScriptRuntimeError("late")

    function: Any = late
    waiting = asyncio.create_task(refused(breaker.call(function, clock)))
    await asyncio.sleep(0)
    await refused(breaker.call(fail, clock))
    assert await breaker.call(fine, clock) == "fine"
    gate.set()
    assert await waiting == "runtime"
    assert await breaker.state(clock) == "closed"


@in_a_loop
async def test_a_trial_that_is_cancelled_makes_room() -> None:
    clock, breaker = Time(), Breaker(BreakerOptions(failure_threshold=1, reset_timeout=0))
    await refused(breaker.call(fail, clock))

    async def forever() -> None:
        await asyncio.Event().wait()

    function: Any = forever
    trial = asyncio.create_task(breaker.call(function, clock))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert await refused(breaker.call(fine, clock)) == "circuit_open"
    trial.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trial
    assert await breaker.call(fine, clock) == "fine"


# What is not caught.


@in_a_loop
async def test_a_limit_is_not_caught_and_nothing_of_the_script_runs_after_it() -> None:
    ran: list[str] = []

    def noting(name: str) -> Any:
        async def note(*args: Any) -> None:
            ran.append(name)

        return note

    async def over() -> None:
        raise MemoryLimit("1 byte")

    function: Any = over
    with pytest.raises(MemoryLimit):
        await errors.attempt(function, noting("handler"), noting("cleanup"))
    with pytest.raises(MemoryLimit):
        await errors.fallback(function, noting("alternative"))
    assert ran == []


@in_a_loop
async def test_a_function_of_a_run_that_has_ended_cannot_be_called() -> None:
    async with Session() as session:
        results = [await session.run("return 1")]
        source = """
            local p = async(function()
              local function say() print("ran after the end") end
              errors.try(function() sleep(60) end, say, say)
            end)
            sleep(0.02)
            error("the end")
        """
        ended = await session.attempt(source)
    assert results[0].value == 1
    assert isinstance(ended.error, ScriptRuntimeError)
    assert ended.output == ""
    assert issubclass(Cancelled, CapabilityError)


# Variables.


SPELL = """local total = 3
local function inner(n, name)
  local ready, list, map = n > 2, {1, "x", {}}, {b = print, a = {}}
  if ready then error("boom " .. total) end
end
local function outer()
  inner(5, "Ada\\n")
  return 1
end
outer()
"""


@pytest.mark.parametrize(
    ("engine", "isolation"),
    [("lua54", "none"), ("lua55", "none"), ("luajit", "none"),
     ("lua54", "process"), ("lua55", "process")],
)  # fmt: skip
def test_locals_and_upvalues_are_told_on_request(engine: str, isolation: str) -> None:
    error = failed(SPELL, engine=engine, isolation=isolation, locals=True)
    first, second, third = error.as_dict()["frames"]
    assert first == {
        "file": "spell", "line": 4, "function": "inner",
        "locals": {"n": "5", "name": '"Ada\\n"', "ready": "true", "list": '{1, "x", {...}}',
                   "map": "{a = {...}, b = function}"},
        "upvalues": {"total": "3"},
    }  # fmt: skip
    assert (second["line"], second.get("locals"), second["upvalues"]) == (
        7, None, {"inner": "function"}
    )  # fmt: skip
    assert third["locals"] == {"total": "3", "inner": "function", "outer": "function"}


def test_nobody_who_did_not_ask_is_told() -> None:
    error = failed(SPELL)
    assert error.variables == ()
    assert all(set(frame) == {"file", "line", "function"} for frame in error.as_dict()["frames"])


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_variables_of_a_function_that_retry_ran_are_told_too(isolation: str) -> None:
    source = """
        local function ask(attempt)
          local question = "why"
          error("no luck")
        end
        local before = 1
        errors.retry(ask)
    """
    error = failed(source, isolation=isolation, locals=True)
    inner, outer = error.as_dict()["frames"]
    assert inner["locals"] == {"attempt": "1", "question": '"why"'}
    assert outer["locals"]["before"] == "1"


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_variables_are_bounded_and_show_no_address_and_no_byte_that_is_no_text(
    isolation: str,
) -> None:
    names = "\n".join(f"local v{i:03} = ('x'):rep(1000)" for i in range(60))
    source = f"""
        local function deep(n)
          {names}
          if n == 0 then error("boom") end
          local r = deep(n - 1)
          return r
        end
        local co, t, f = coroutine.create(print), setmetatable({{}}, {{}}), function() end
        local bytes, mark, many = "\\255\\0", "\\u{{e9}}" .. ("\\u{{e9}}"):rep(400), {{}}
        for i = 1, 100000 do many[i], many["k" .. i] = i, t end
        local function last()
          local a, b, c, d, e, g = co, t, f, bytes, mark, many
          error("boom")
        end
        if params.deep then deep(40) else last() end
    """
    session = Session(isolation=isolation, locals=True)
    result = session.attempt_sync(source)
    assert result.error is not None
    held = result.error.as_dict()["frames"][0]["locals"]
    assert (held["a"], held["b"], held["c"]) == ("coroutine", "{}", "function")
    assert "\\u0000" in held["d"] or "bytes" in held["d"]
    assert held["e"].startswith('"éé')
    assert held["g"].startswith("{1, 2, 3, 4")
    assert all(len(text) <= 100 for text in held.values())
    deep = Session(isolation=isolation, locals=True).attempt_sync(source, {"deep": True}).error
    assert deep is not None
    assert deep.message == "boom"
    assert len(deep.frames) == 20
    assert all(len(shown.locals) <= 20 for shown in deep.variables)
    assert len(json.dumps(deep.as_dict())) < 100_000
    assert "0x" not in json.dumps(result.error.as_dict())


def test_collecting_variables_runs_no_code_of_the_script() -> None:
    source = """
        local ran = 0
        local function touched() ran = ran + 1 error("touched") end
        local t = setmetatable({}, {__index = touched, __len = touched, __tostring = touched,
          __pairs = touched, __name = "T", __eq = touched, __lt = touched, __concat = touched})
        local function fail() local mine = t error("boom") end
        errors.try(fail, function(e) print(e.frames[1].locals.mine, ran) end)
    """
    result = Session(locals=True).run_sync(source)
    assert result.output == "{}\t0\n"


def test_variables_hold_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "sk-" + "a1B2" * 12
    monkeypatch.setenv("SOME_API_KEY", secret)
    (tmp_path / "notes.txt").write_text(secret)
    source = """
        local held = fs.read("notes.txt")
        local late = ("x"):rep(80) .. held
        local inside = {key = held}
        error({message = "m", cause = {message = held}, note = held})
    """
    error = failed(source, folder=tmp_path, locals=True)
    told = json.dumps(error.as_dict())
    assert "sk-" not in told
    shown = error.as_dict()["frames"][0]["locals"]
    assert (shown["held"], shown["inside"]) == ('"***"', '{key = "***"}')
    assert shown["late"] == '"' + "x" * 80 + '***"'
    assert error.details["cause"]["message"] == "***"


def test_an_engine_that_cannot_tell_variables_is_not_asked() -> None:
    from llmspell.engines.lua import LuaEngine

    engine = LuaEngine("lua")
    engine.features = engine.features - {"locals"}
    with pytest.raises(llmspell.UsageError, match="cannot tell what variables held"):
        Session(engine=engine, locals=True).run_sync("return 1")


# The terminal and the log.


CHAIN = """
local ok, e = pcall(fs.read, "missing.txt")
error(errors.wrap(errors.wrap(e, "no settings"), "cannot\\nstart", "start"))
"""


def test_the_terminal_shows_what_caused_an_error(cli: Command) -> None:
    done = cli.spell(CHAIN)
    assert done.code == 4
    assert done.err == (
        "error: spell.lua:3: cannot\n  start\n"
        '  3 | error(errors.wrap(errors.wrap(e, "no settings"), "cannot\\nstart", "start"))\n'
        "  code: start\n"
        "  caused by: no settings (not_found)\n"
        "  caused by: spell.lua:2: cannot read missing.txt: it does not exist (not_found)\n"
    )


def test_the_terminal_shows_the_kind_of_what_caused_an_error(cli: Command) -> None:
    source = "try { JSON.parse('{') } catch (e) { throw new TypeError('bad', { cause: e }) }\n"
    cli.write(source, "spell.js")
    done = cli("run", "spell.js")
    assert done.err.splitlines()[-1].startswith("  caused by: spell.js:1: SyntaxError: Expected")


def test_the_terminal_shows_variables_on_request(cli: Command) -> None:
    source = "local total = 2\nlocal function f(n)\n  error('x' .. total)\nend\nf(5)\n"
    assert "n = 5" not in cli.spell(source).err
    assert cli.spell(source, "--locals").err == (
        "error: spell.lua:3: x2\n  3 |   error('x' .. total)\n    n = 5\n    upvalue total = 2\n"
        "  called from spell.lua:5\n    f = function\n    total = 2\n"
    )


def test_the_document_of_a_run_has_the_chain(cli: Command) -> None:
    told = json.loads(cli.spell(CHAIN, "--json").out)["error"]
    assert (told["code"], told["cause"]["cause"]["type"]) == ("start", "FileNotFound")


NASTY = '\\27[2J \\127 \\0 \\r \\n \\" \\\\ \\u{202e}'


@pytest.mark.parametrize("level", ["trusted", "untrusted"])
def test_a_log_of_json_is_json_whatever_a_script_logs(cli: Command, level: str) -> None:
    source = f"""
        log.info("{NASTY}", {{bad = "\\255\\254", deep = {{{{1}}}}, f = print, ["{NASTY}"] = 1.5}})
        log.warn("second")
        local ok, e = pcall(fs.read, 5)
        errors.log(e, "while starting")
        error({{message = "{NASTY}", code = "c", cause = "\\255"}})
    """
    done = cli.spell(source, "--log-format", "json", "--level", level)
    assert done.code == 4
    lines = [json.loads(line) for line in done.err.splitlines()]
    assert [line["level"] for line in lines] == ["info", "warn", "error", "error"]
    nasty = '\x1b[2J \x7f \0 \r \n " \\ \u202e'
    first, second, third, last = lines
    assert first["message"] == nasty
    assert first["fields"] == {"bad": "��", "deep": [[1]], "f": "function", nasty: 1.5}
    assert "error" not in second
    assert third["message"] == "while starting"
    assert third["error"]["message"] == "fs.read: path must be a string, got number" or (
        third["error"]["type"] == "Denied"
    )
    assert last["error"]["message"] == nasty
    assert last["error"]["cause"]["message"] == "?" or "�" in last["error"]["cause"]["message"]
    runs = {line["run_id"] for line in lines}
    assert len(runs) == 1
    assert all(runs)
    for line in lines:
        assert line.keys() >= {"time", "level", "message", "fields", "run_id"}
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in done.err if c != "\n")


def test_what_comes_before_a_run_is_json_too(cli: Command) -> None:
    done = cli("run", "nowhere.lua", "--log-format", "json")
    line = json.loads(done.err)
    assert (done.code, line["error"]["code"], line["run_id"]) == (2, "usage", None)


def test_notes_and_calls_are_json_too(cli: Command) -> None:
    done = cli.spell("llm.generate('x') pcall(fs.read, 'no')", "-v", "--log-format", "json")
    lines = [json.loads(line) for line in done.err.splitlines()]
    assert {line["level"] for line in lines} == {"info", "debug"}
    calls = [line for line in lines if line["message"].startswith("call: ")]
    assert [call["fields"]["failed"] for call in calls] == [None, "not_found"]
    assert len({call["run_id"] for call in calls}) == 1
    assert calls[0]["run_id"]


def test_two_runs_of_a_session_log_under_their_own_names() -> None:
    told: list[tuple[str, str]] = []
    calls: list[CallRecord] = []

    async def both() -> list[Result]:
        async with Session(
            log=lambda level, message, fields: told.append((message, session.services.run_id)),
            on_call=calls.append,
        ) as session:
            source = "for i = 1, 5 do log.info(params.who) sleep(0.01) end"
            return list(
                await asyncio.gather(*(session.run(source, {"who": who}) for who in ("a", "b")))
            )

    first, second = asyncio.run(both())
    assert set(told) == {("a", first.run_id), ("b", second.run_id)}
    for run in (first, second):
        assert [call for call in calls if call.run_id == run.run_id] == run.calls


@pytest.mark.parametrize("form", ["text", "json"])
def test_tracebacks_of_the_host_are_for_debug_only(cli: Command, form: str) -> None:
    source = "errors.try(function() local x = fs.read('missing') end)"
    quiet = cli.spell(source, "--log-format", form, "-v")
    loud = cli.spell(source, "--log-format", form, "--debug")
    assert quiet.code == loud.code == 12
    for word in ("Traceback", "llmspell/host", ".py"):
        assert word not in quiet.err
    assert "Traceback" in loud.err
    assert "llmspell/host/files/files.py" in loud.err
