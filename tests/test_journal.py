"""The journal: a run written down, and run again from what was written, with nothing else there."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

import llmspell
from llmspell import Session
from llmspell.errors import (
    CAPABILITY_ERRORS,
    CallLimit,
    CapabilityError,
    Denied,
    HostFailure,
    LlmspellError,
    StepLimit,
    UsageError,
)
from llmspell.host.settings import ProviderSettings, Settings
from llmspell.runtime.journal import LATER, Recorder, Replayer
from llmspell.testing.servers import ModelServer

ENGINES = ("lua54", "lua55", "luajit")

PARALLEL = """
    local url, asks = params.url, {}
    for i, path in ipairs{"/json", "/text", "/status/404", "/slow?seconds=0.05", "/text"} do
      asks[i] = function() return http.get(url .. path).body end
    end
    asks[#asks + 1] = function() return llm.generate("hello", {model = "local/echo"}) end
    asks[#asks + 1] = function() return fs.read("notes.txt") end
    asks[#asks + 1] = function()
      local ok, e = pcall(llm.generate, "hello", {model = "local/fail-500"})
      return {ok, e.code, e.message, tostring(e.retryable)}
    end
    asks[#asks + 1] = function()
      local ok, e = pcall(fs.read, "missing.txt")
      return {ok, e.code, e.message}
    end
    local answers = parallel(asks)
    for i, answer in ipairs(answers) do print(i, json.encode(answer)) end
    return {answers = answers, at = time.now(), home = env.get("JOURNAL_HOME")}
"""


def recorded(
    path: Path, source: str, params: dict[str, Any] | None = None, **options: Any
) -> llmspell.Result:
    return Session(record=path, **options).attempt_sync(source, params)


def replayed(
    path: Path, source: str, params: dict[str, Any] | None = None, **options: Any
) -> llmspell.Result:
    return Session(replay=path, **options).attempt_sync(source, params)


def told(result: llmspell.Result) -> Any:
    """All of a result that must be the same when it is run again."""
    error = result.error.as_dict() if result.error is not None else None
    calls = sorted((call.name, call.error) for call in result.calls)
    return result.value, result.output, error, calls


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "calls.jsonl"


# Again, offline. ----------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_a_run_is_run_again_with_network_and_files_gone(
    engine: str, journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "notes.txt").write_text("from the file")
    monkeypatch.setenv("JOURNAL_HOME", "mine")
    options: dict[str, Any] = {"engine": engine, "folder": folder, "allow": ["net:127.0.0.1"]}
    with ModelServer() as server:
        local = ProviderSettings("openai_compatible", server.url + "/v1")
        settings = Settings(providers={"local": local})
        params = {"url": server.url}
        first = recorded(journal, PARALLEL, params, settings=settings, **options)
        assert first.error is None
        asked = len(server.requests)
        assert asked >= 7

        # While all is there, nothing is asked.
        (folder / "notes.txt").write_text("something else")
        monkeypatch.setenv("JOURNAL_HOME", "yours")
        again = replayed(journal, PARALLEL, params, settings=settings, **options)
        assert len(server.requests) == asked
        assert told(again) == told(first)

    (folder / "notes.txt").unlink()
    monkeypatch.delenv("JOURNAL_HOME")
    again = replayed(journal, PARALLEL, params, settings=Settings(), **options)
    assert told(again) == told(first)
    assert first.value["answers"][6] == "from the file"
    assert first.value["home"] == "mine"
    assert "hello" in first.value["answers"][5]
    assert first.value["answers"][7][:2] == [False, "server_error"]


def test_a_file_holds_one_call_a_line_as_soon_as_it_is_answered(journal: Path) -> None:
    session = Session(record=journal, on_call=lambda call: seen.append(len(lines(journal))))
    seen: list[int] = []
    result = session.run_sync(
        "print('not a call') time.iso(0) sleep(0.001) pcall(json.decode, '{') return json.encode{1}"
    )
    assert seen == [1, 2, 3, 4]
    found = lines(journal)
    assert [line["call"] for line in found] == [
        "time.iso",
        "time.sleep",
        "json.decode",
        "json.encode",
    ]
    assert found[0] == {
        "call": "time.iso",
        "args": "[0]",
        "value": '"1970-01-01T00:00:00+00:00"',
        "seeds": [result.seed],
    }
    assert found[2]["error"] == {
        "type": "BadArgument",
        "code": "bad_argument",
        "message": found[2]["error"]["message"],
        "frames": [],
        "capability": "json.decode",
    }
    assert [call.name for call in result.calls] == [line["call"] for line in found]


def test_answers_in_flight_may_come_in_any_order(journal: Path) -> None:
    source = """
        local naps = {}
        for i = 1, 5 do naps[i] = function() sleep((6 - i) / 100) return i end end
        return parallel(naps)
    """
    first = recorded(journal, source)
    naps = [json.loads(line["args"])[0] for line in lines(journal)]
    assert naps == sorted(naps), "the shortest was answered first"
    assert told(replayed(journal, source)) == told(first)


def test_tasks_of_a_replay_take_turns_as_they_did(journal: Path) -> None:
    # What a task does after its answer must come in the order the answers came.
    source = """
        local order, naps = {}, {}
        for i = 1, 3 do
          naps[i] = function() sleep((4 - i) / 50) print(i) order[#order + 1] = i end
        end
        parallel(naps)
        return order
    """
    first = recorded(journal, source)
    assert first.value == [3, 2, 1]
    again = replayed(journal, source)
    assert (again.value, again.output) == (first.value, first.output)


def test_the_same_call_gets_its_answers_in_their_order(journal: Path) -> None:
    source = "local t = {} for i = 1, 20 do t[i] = time.now() end return t"
    first = recorded(journal, source)
    assert len(set(first.value)) > 1
    assert replayed(journal, source).value == first.value


@pytest.mark.parametrize("text", ["\u2028", "\u2029", "\x85", "\x1c\x0b\x0c", "\r\n", "\0", "é😀"])
def test_any_text_comes_back(text: str, journal: Path) -> None:
    source = "return {json.decode(params.json), json.encode{params.text}}"
    params = {"text": text, "json": json.dumps([text])}
    first = recorded(journal, source, params)
    assert first.value[0] == [text]
    assert told(replayed(journal, source, params)) == told(first)


def test_bytes_and_nothing_come_back(journal: Path, tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(bytes(range(256)))
    source = (
        "return {fs.read_bytes('x.bin'), {env.get('JOURNAL_UNSET')}, json.decode('[null, {}]')}"
    )
    first = recorded(journal, source, folder=tmp_path)
    (tmp_path / "x.bin").unlink()
    again = replayed(journal, source, folder=tmp_path)
    assert told(again) == told(first)
    assert again.value == [bytes(range(256)), [], [None, {}]]


def test_modules_are_replayed_too(journal: Path) -> None:
    source = "local m = require('m') return m.double(4)"
    module = "return {double = function(n) return n * 2 end}"
    first = recorded(journal, source, modules={"m": module})
    assert first.value == 8
    assert told(replayed(journal, source)) == told(first)


def test_a_script_that_fails_fails_again_in_the_same_way(journal: Path) -> None:
    source = "local x = time.now()\nprint('so far')\nerror('at ' .. x)"
    first = recorded(journal, source)
    assert isinstance(first.error, LlmspellError)
    again = replayed(journal, source)
    assert told(again) == told(first)
    assert again.output == "so far\n"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_replay_changes_nothing(journal: Path, tmp_path: Path, engine: str) -> None:
    source = "fs.write('made.txt', 'x') return fs.exists('made.txt')"
    first = recorded(journal, source, folder=tmp_path, engine=engine)
    assert first.value is True
    (tmp_path / "made.txt").unlink()
    before = journal.read_bytes()
    assert replayed(journal, source, folder=tmp_path, engine=engine).value is True
    assert not (tmp_path / "made.txt").exists()
    assert journal.read_bytes() == before


def test_a_recording_in_one_engine_replays_in_another(journal: Path) -> None:
    source = "return json.decode(json.encode{b = {1.5, 'x'}, a = {y = 2}})"
    first = recorded(journal, source, engine="lua54")
    for engine in ENGINES:
        assert replayed(journal, source, engine=engine).value == first.value


HANDLES = {
    "an agent": """
        local a = agent.create{model = "test/offline", system = "Be brief."}
        return a:run("Who wrote Faust?").content
    """,
    "a stream": """
        local pieces = {}
        for piece in llm.stream("Who wrote Faust?", {model = "test/offline"}) do
          pieces[#pieces + 1] = piece
        end
        return pieces
    """,
}


@pytest.mark.parametrize("what", HANDLES)
def test_what_a_script_holds_is_replayed_too(what: str, journal: Path) -> None:
    first = recorded(journal, HANDLES[what], settings=Settings())
    assert first.error is None
    assert first.value
    again = replayed(journal, HANDLES[what], settings=Settings())
    assert again.error is None
    assert again.value == first.value


def test_a_function_the_host_called_is_called_in_the_replay_too(journal: Path) -> None:
    source = """
        local ran = 0
        tools.register("t", "A tool.", {type = "object"}, function(args)
          ran = ran + 1
          print("ran with " .. args.x)
          return args.x * 2
        end)
        local value = tools.execute("t", {x = 4})
        return {value, ran}
    """
    first = recorded(journal, source)
    assert first.value == [8, 1]
    again = replayed(journal, source)
    assert (again.value, again.output) == (first.value, first.output)


# What is not there. -------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "source",
    ["return time.iso(1)", "return json.encode{1}", "sleep(0)", "return time.iso(0, 'UTC')"],
)
def test_a_call_that_was_not_recorded_fails(source: str, journal: Path, engine: str) -> None:
    recorded(journal, "return time.iso(0)")
    again = replayed(journal, source, engine=engine)
    assert type(again.error) is HostFailure
    assert again.error.code == "not_recorded"
    name = again.calls[0].name
    assert again.error.message == f"{name}: this call is not in the recording calls.jsonl"
    assert again.value is None


def test_a_call_that_was_not_recorded_names_its_capability(journal: Path) -> None:
    recorded(journal, "return 1")
    again = replayed(journal, "local ok, e = pcall(time.now) return e.capability")
    assert again.value == "time.now"


def test_a_call_made_more_often_than_recorded_fails(journal: Path) -> None:
    recorded(journal, "return time.iso(0)")
    again = replayed(journal, "time.iso(0) local ok, e = pcall(time.iso, 0) return {ok, e.code}")
    assert again.value == [False, "not_recorded"]


def test_the_policy_holds_in_a_replay(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_HOME", "mine")
    source = "return env.get('JOURNAL_HOME')"
    recorded(journal, source)
    assert replayed(journal, source).value == "mine"
    assert isinstance(replayed(journal, source, level="untrusted").error, Denied)


def test_limits_hold_in_a_replay(journal: Path) -> None:
    source = "for i = 1, 100 do time.iso(i) end"
    recorded(journal, source)
    assert isinstance(replayed(journal, source, limits={"calls": 50}).error, CallLimit)
    assert isinstance(replayed(journal, source, limits={"steps": 50}).error, StepLimit)


@pytest.mark.parametrize("name", CAPABILITY_ERRORS)
def test_an_error_answer_replays_with_class_and_code(name: str, journal: Path) -> None:
    error = CAPABILITY_ERRORS[name]("it went é\nwrong", code="own", retryable=True)
    recorder = Recorder(journal)
    recorder.record("time.now", b"[]", error)
    recorder.record("time.now", b"[]", b'"fine"')
    recorder.close()
    replayer = Replayer(journal)
    found = replayer.recorded("time.now", b"[]").answer
    assert isinstance(found, CapabilityError)
    assert type(found) is type(error)
    assert (found.message, found.code, found.retryable) == ("it went é\nwrong", "own", True)
    assert (found.capability, found.exit_code) == ("time.now", error.exit_code)
    assert replayer.recorded("time.now", b"[]").answer == b'"fine"'
    place, missing = replayer.recorded("time.now", b"[]")
    assert place == LATER
    assert isinstance(missing, HostFailure)
    assert missing.code == "not_recorded"


# Damaged files. -----------------------------------------------------------------------------------

GOOD = '{"call": "time.now", "args": "[]", "value": "5"}\n'


@pytest.mark.parametrize(
    "text",
    [
        "not JSON",
        GOOD + "{",
        GOOD + GOOD[:20],
        "[]",
        "5",
        '"text"',
        "null",
        "{}",
        '{"call": "x"}',
        '{"call": "x", "args": []}',
        '{"call": [], "args": "[]"}',
        '{"call": "time.now", "args": "[]"}',
        '{"call": "time.now", "args": "[]", "error": {}}',
        '{"call": "time.now", "args": "[]", "error": {"type": "Denied", "code": "x"}}',
        '{"call": "time.now", "args": "[]", "error": 5}',
        '{"call": "time.now", "args": "[]", "value": "nonsense"}',
        '{"call": "time.now", "args": "[]", "value": "[1,"}',
        '{"call": "time.now", "args": "[]", "value": ""}',
    ],
)
def test_a_damaged_file_is_the_callers_error(text: str, journal: Path) -> None:
    journal.write_text(text)
    with pytest.raises(UsageError) as caught:
        result = replayed(journal, "return time.now()")
        if result.error is not None:
            raise result.error
    assert caught.value.message.startswith(f"cannot replay {journal}: ")
    assert caught.value.exit_code == 2


def test_a_file_that_is_not_text_or_not_there_is_the_callers_error(
    journal: Path, tmp_path: Path
) -> None:
    journal.write_bytes(b"\xff\xfe")
    for path in (journal, tmp_path, tmp_path / "none" / "x"):
        with pytest.raises(UsageError, match="cannot replay"):
            Session(replay=path)


def test_a_file_that_cannot_be_written_is_the_callers_error(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none" / "x"):
        with pytest.raises(UsageError):
            Session(record=path)


@pytest.mark.parametrize("engine", [*ENGINES, "javascript", "tengo"])
def test_chance_is_recorded_with_the_first_call(engine: str, journal: Path) -> None:
    source = {
        "javascript": "await time.iso(0); export default [Math.random(), Math.random()];",
        "tengo": 'rand := import("rand"); time.iso(0); result = [rand.intn(1000000000)]',
    }.get(engine, "time.iso(0) return {math.random(), math.random(1000000000)}")
    first = recorded(journal, source, engine=engine)
    assert first.error is None
    for _ in range(2):
        again = replayed(journal, source, engine=engine)
        assert (again.value, again.seed) == (first.value, first.seed)
    assert recorded(journal, source, engine=engine).value != first.value
    assert replayed(journal, source, engine=engine, seed=7).seed == 7


@pytest.mark.parametrize("seeds", ["5", "[-1]", "[true]", '["1"]', "[2147483648]", "[null]"])
def test_a_seed_that_is_none_is_the_callers_error(seeds: str, journal: Path) -> None:
    call = '{"call": "time.iso", "args": "[0]", "value": "1", "seeds": SEEDS}'
    journal.write_text(call.replace("SEEDS", seeds) + "\n")
    with pytest.raises(UsageError, match="line 1 is not a recorded call"):
        replayed(journal, "return 1")


FULL = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
ON = {
    "lua": "pcall(time.now) print('on')",
    "javascript": "try { await time.now() } catch (error) {} print('on')",
    "tengo": 'time.now()\nprint("on")',
}


@FULL
@pytest.mark.parametrize("engine", ON)
def test_a_run_that_cannot_be_recorded_ends(engine: str) -> None:
    async def main() -> None:
        async with Session(record="/dev/full", engine=engine) as session:
            for _ in range(2):  # what was lost stays lost
                result = await session.attempt(ON[engine])
                assert type(result.error) is UsageError
                told = "cannot record to /dev/full: No space left on device"
                assert str(result.error) == told
                assert result.output == ""

    asyncio.run(main())


@FULL
@pytest.mark.parametrize("source", ["time.now()", "sleep(0.001)", "spawn(time.now) sleep(1)"])
def test_a_run_without_a_loop_that_cannot_be_recorded_ends(source: str) -> None:
    session = Session(record="/dev/full")
    assert isinstance(session.attempt_sync(source).error, UsageError)
    assert session.attempt_sync("return 1").value == 1


def test_an_empty_file_is_a_run_without_calls(journal: Path) -> None:
    first = recorded(journal, "return 1")
    assert journal.read_bytes() == b""
    assert told(replayed(journal, "return 1")) == told(first)


def test_recording_and_replaying_exclude_each_other(journal: Path) -> None:
    with pytest.raises(UsageError, match="record and replay exclude each other"):
        Session(record=journal, replay=journal)
    assert not journal.exists()


@pytest.mark.parametrize(
    "said",
    [
        {"value": "[" * 20_000 + "]" * 20_000},
        {"value": "[" * 40 + "]" * 40},
        {"value": "NaN"},
        {"value": "[1e999]"},
        {"value": "9" * 40},
        {"value": '"\\ud800"'},
        {"value": '{"\\u0000bytes":5}'},
        {"value": '{"\\u0000handle":["agent",1e300]}'},
        {"args": '["\ud800"]', "value": "1"},
        {"error": {"type": "Denied", "code": "\ud800", "message": "m", "retryable": False}},
        {"error": {"type": "Denied", "code": "c", "message": "\ud800", "retryable": False}},
    ],
)
def test_an_answer_that_no_call_can_have_is_the_callers_error(said: Any, journal: Path) -> None:
    journal.write_text(json.dumps({"call": "time.iso", "args": "[0]"} | said) + "\n")
    with pytest.raises(UsageError, match="line 1 is not a recorded call"):
        replayed(journal, "return time.iso(0)")


def test_a_line_that_is_nested_very_deep_is_the_callers_error(journal: Path) -> None:
    journal.write_text("[" * 100_000 + "\n")
    with pytest.raises(UsageError, match="line 1 is not a recorded call"):
        replayed(journal, "return 1")


def test_a_failure_is_replayed_with_all_that_it_says(tmp_path: Path) -> None:
    """A spell may go on by the details of a failure."""
    source = """
        local ok, e = pcall(llm.generate, "x", { model = "local/rate-limit" })
        local once = { model = "local/echo", retries = 0 }
        local ok, f = pcall(structured.generate, "x", "a int", once)
        return { e.code, e.context.retry_after, f.code, f.context }
    """
    path = tmp_path / "calls.jsonl"
    with ModelServer() as server:
        providers = {"local": ProviderSettings("openai_compatible", base_url=f"{server.url}/v1")}
        first = recorded(path, source, settings=Settings(providers=providers))
    assert first.error is None, first.error
    assert first.value[:2] == ["rate_limited", 1.0]
    assert first.value[3]["answer"] == "echo: x"
    assert replayed(path, source).value == first.value


def test_no_secret_is_recorded_in_what_a_failure_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOURNAL_TEST_KEY", "sk-in-a-failure-0123456789")
    source = """
        local at = "say-sk-in-a-failure-0123456789"
        pcall(structured.generate, "x", "a int", { model = "local/" .. at, retries = 0 })
    """
    path = tmp_path / "calls.jsonl"
    with ModelServer() as server:
        providers = {"local": ProviderSettings("openai_compatible", base_url=f"{server.url}/v1")}
        recorded(path, source, settings=Settings(providers=providers))
    assert "***" in path.read_text()
    assert "sk-in-a-failure" not in path.read_text()


def test_a_recording_takes_the_place_of_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "spell.lua"
    path.write_text("return 1")
    with pytest.raises(
        UsageError, match=r"cannot write the recording .*spell.lua: a file is there"
    ):
        Session(record=path)
    assert path.read_text() == "return 1"
    path.unlink()
    for text in ("one", "two"):
        recorded(path, f"return json.encode('{text}')")
        assert [line["value"] for line in lines(path)] == [json.dumps(json.dumps(text))]


def test_a_session_that_is_refused_leaves_the_recording_it_would_write(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    Session(record=path).run_sync("time.now()")
    before = path.read_bytes()
    wrong: list[dict[str, Any]] = [{"pool": {"min": -1}}, {"replay": path}, {"level": "untrustd"}]
    for given in wrong:
        with pytest.raises(UsageError):
            Session(record=path, **given)
        assert path.read_bytes() == before
