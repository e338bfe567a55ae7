"""Checkpoint and restore: a spell goes on where it was, and what was done is not done again."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import stat
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import PATIENCE

from llmspell import (
    BudgetExceeded,
    Checkpoint,
    Denied,
    LlmspellError,
    RestoreError,
    Result,
    Session,
    UsageError,
)
from llmspell.host.settings import ProviderSettings, Settings
from llmspell.host.tasks import strand
from llmspell.runtime import checkpoint as checkpoints
from llmspell.runtime.checkpoint import Inner
from llmspell.runtime.claims import Claim, Claims
from llmspell.testing.servers import ModelServer

ENGINES = ("lua54", "lua55", "luajit")
PLACES = [("lua54", "none"), ("lua54", "process"), ("lua55", "none"), ("luajit", "none"),
          ("luajit", "process")]  # fmt: skip


def session(**more: Any) -> Session:
    return Session(**{"settings": Settings()} | more)


def whole(source: str, params: Any = None, **options: Any) -> tuple[Result, list[str]]:
    """Runs a spell to its end: its result, and the lines of its checkpoint."""

    async def go() -> tuple[Result, list[str]]:
        async with session(**options) as here:
            running = here.start(source, params)
            result = await asyncio.wait_for(running.attempt(), PATIENCE)
            return result, running.checkpoint().lines

    return asyncio.run(go())


def restored(lines: list[str], *given: Any, **options: Any) -> Result:
    """Restores a run and takes it to its end. Raises what ends it."""

    async def go() -> Result:
        async with session(**options) as here:
            running = here.restore(Checkpoint(lines), *given)
            return await asyncio.wait_for(running.result(), PATIENCE)

    return asyncio.run(go())


def refusal(lines: list[str], *given: Any, **options: Any) -> str:
    with pytest.raises(RestoreError) as caught:
        restored(lines, *given, **options)
    start = "the checkpoint cannot be restored: "
    assert caught.value.message.startswith(start)
    assert caught.value.exit_code == 2
    return caught.value.message.removeprefix(start)


def answers(lines: list[str], name: str) -> int:
    """How many calls of a name have an answer in these lines."""
    return sum(json.loads(line).get("call") == name for line in lines)


# At any moment.

NESTED = """
    local out, url = {}, params.url
    local function add(v) out[#out + 1] = v end
    local function get(path) return http.get(url .. path).status end

    -- Coroutines in coroutines, each in the middle of a call.
    local outer = coroutine.wrap(function()
      local inner = coroutine.wrap(function()
        for i = 1, 3 do
          add("inner " .. i .. " " .. get("/echo?inner=" .. i))
          coroutine.yield(i)
        end
      end)
      for i = 1, 3 do
        local got = inner()
        add("outer " .. got .. " " .. get("/echo?outer=" .. i))
        coroutine.yield(got * 10)
      end
    end)
    add(outer())

    -- Tasks at the same time, and a channel between two.
    local ch = channel.make(1)
    async(function()
      for i = 1, 3 do ch:send(i) sleep(0.002) end
      ch:close()
    end)
    add(outer())
    for v in ch do add("channel " .. v) end
    local got = parallel({
      function() sleep(0.02) return get("/echo?p=1") end,
      function() sleep(0.01) return get("/echo?p=2") end,
      function() return errors.retry(function(n)
        get("/echo?try=" .. n)
        if n < 3 then error({message = "again", retryable = true}) end
        return n
      end, {initial_delay = 0.003}) end,
    })
    for i, v in ipairs(got) do add("parallel " .. i .. " " .. v) end

    -- What is the same for nobody else: order of tables, chance, the clock, numbers of handles.
    local t = {alpha = 1, beta = 2, gamma = 3, delta = 4, [7] = 5, [true] = 6}
    for k in pairs(t) do add(tostring(k)) end
    local first = next(t)
    add(first)
    add(math.random(1000000))
    math.randomseed()
    add(math.random(1000000))
    local late = pcall(channel.receive, channel.make(), 0.01)
    add(late)
    local picked = channel.select({a = {receive = channel.make()}}, {timeout = 0.01})
    add(picked.case)
    tools.register("twice", "Doubles.", {type = "object"}, function(a)
      get("/echo?tool=" .. a.x)
      return a.x * 2
    end)
    add(tools.execute("twice", {x = 21}))
    add(outer())
    print("all", #out)
    local breaker = errors.circuit_breaker({failure_threshold = 1})
    pcall(breaker.call, breaker, function() error("broken") end)
    add(breaker:state())
    local now = {time.now(), os.time(), os.clock() >= 0}
    add(now[2] >= math.floor(now[1]) and now[3])
    return out
"""


@pytest.mark.parametrize(("name", "isolation"), PLACES)
def test_a_spell_goes_on_from_any_moment_and_does_nothing_twice(name: str, isolation: str) -> None:
    options: dict[str, Any] = {"engine": name, "isolation": isolation, "allow": ["net:127.0.0.1"]}
    with ModelServer() as server:
        first, lines = whole(NESTED, {"url": server.url}, **options)
        assert first.error is None, first.error
        total = answers(lines, "http.get")
        assert total == len(server.requests) == 12
        assert first.value[first.value.index("7") + 1] == "alpha", "tables are in order"
        moments = (
            range(1, len(lines) + 1)
            if (name, isolation) == ("lua54", "none")
            else (range(1, len(lines) + 1, 7))
        )
        for size in moments:
            before = len(server.requests)
            again = restored(lines[:size], **options)
            assert again.value == first.value, f"from line {size}: {lines[size - 1]}"
            assert again.output == first.output
            made = len(server.requests) - before
            assert made == total - answers(lines[:size], "http.get"), f"from line {size}"


NESTED_TENGO = """
    rand := import("rand")
    times := import("times")
    out := []
    get := func(path) { return http.get(params.url + path).status }
    ch := channel.make(1)
    async(func() {
        for i := 1; i <= 3; i++ {
            ch.send(i)
            sleep(0.002)
        }
        ch.close()
    })
    out = append(out, "first " + get("/echo?n=1"))
    for v in ch { out = append(out, "channel " + v + " " + get("/echo?c=" + v)) }
    got := parallel([
        func() {
            sleep(0.01)
            return get("/echo?p=1")
        },
        func() { return get("/echo?p=2") }
    ])
    out = append(out, got...)
    m := {alpha: 1, beta: 2, gamma: 3, delta: 4, epsilon: 5}
    for k, v in m { out = append(out, k) }
    out = append(out, rand.intn(1000000), times.time_unix(times.now()) > 0)
    tools.register("twice", "Doubles.", {type: "object"}, func(a) {
        get("/echo?tool=" + a.x)
        return a.x * 2
    })
    out = append(out, tools.execute("twice", {x: 21}), is_error(fs.read("missing.txt")))
    print("all", len(out))
    export out
"""


@pytest.mark.parametrize("isolation", ["none", "process"])
def test_a_spell_of_tengo_goes_on_from_any_moment(isolation: str) -> None:
    options: dict[str, Any] = {
        "engine": "tengo",
        "isolation": isolation,
        "allow": ["net:127.0.0.1"],
    }
    with ModelServer() as server:
        first, lines = whole(NESTED_TENGO, {"url": server.url}, **options)
        assert first.error is None, first.error
        assert first.value[6:11] == ["alpha", "beta", "delta", "epsilon", "gamma"]
        total = answers(lines, "http.get")
        assert total == len(server.requests) == 7
        for size in range(1, len(lines) + 1, 1 if isolation == "none" else 7):
            before = len(server.requests)
            again = restored(lines[:size], **options)
            assert (again.value, again.output) == (first.value, first.output), f"line {size}"
            made = len(server.requests) - before
            assert made == total - answers(lines[:size], "http.get"), f"from line {size}"


NESTED_JAVASCRIPT = """
    import { twice } from "./doubling.js";
    const out = [], get = async (path) => (await http.get(params.url + path)).status;

    // A generator in the middle of a call, and timers.
    async function* steps() {
      for (let i = 1; i <= 3; i++) yield `${i} ${await get(`/echo?i=${i}`)}`;
    }
    const walk = steps();
    out.push((await walk.next()).value);
    let ticks = 0;
    const ticking = setInterval(() => { ticks++; if (ticks === 3) clearInterval(ticking); }, 2);

    // Tasks at the same time, and a channel between two.
    const ch = await channel.make(1);
    async(async () => {
      for (let i = 1; i <= 3; i++) { await ch.send(i); await sleep(0.002); }
      await ch.close();
    });
    out.push((await walk.next()).value);
    for await (const v of ch) out.push(`channel ${v}`);
    out.push(...await parallel([
      async () => { await sleep(0.02); return get("/echo?p=1"); },
      async () => { await sleep(0.01); return get("/echo?p=2"); },
      () => errors.retry(async (n) => {
        await get(`/echo?try=${n}`);
        if (n < 3) throw Object.assign(new Error("again"), { retryable: true });
        return n;
      }, { initial_delay: 0.003 }),
    ]));

    // What is the same for nobody else: chance and the clock, also in the midst of a turn.
    const began = Date.now(), later = new Date().getTime();
    out.push(Math.random(), began === later, began > 1e12, performance.now() >= 0);
    out.push((await Promise.allSettled([channel.receive(await channel.make(), 0.01)]))[0].status);
    await tools.register("twice", "Doubles.", { type: "object" }, async (a) => {
      await get(`/echo?tool=${a.x}`);
      return twice(a.x);
    });
    out.push(await tools.execute("twice", { x: 21 }));
    const more = await import("./more.js");
    out.push(more.default, (await walk.next()).value);
    while (ticks < 3) await sleep(0.001);
    console.log("all", out.length);
    export default { out, began };
"""


@pytest.mark.parametrize("isolation", ["none", "process"])
def test_a_spell_of_javascript_goes_on_from_any_moment(isolation: str) -> None:
    modules = {
        "doubling": "export const twice = (x) => x * 2;",
        "more": "export default Math.random() < 1;",
    }
    options: dict[str, Any] = {
        "engine": "javascript",
        "isolation": isolation,
        "allow": ["net:127.0.0.1"],
        "modules": modules,
    }
    with ModelServer() as server:
        first, lines = whole(NESTED_JAVASCRIPT, {"url": server.url}, **options)
        assert first.error is None, first.error
        total = answers(lines, "http.get")
        assert total == len(server.requests) == 9
        for size in range(1, len(lines) + 1, 1 if isolation == "none" else 7):
            before = len(server.requests)
            again = restored(lines[:size], **options)
            assert again.value["out"] == first.value["out"], f"line {size}"
            assert again.output == first.output
            made = len(server.requests) - before
            assert made == total - answers(lines[:size], "http.get"), f"from line {size}"
        assert restored(lines, **options).value == first.value, "the time is that of then"


def test_a_checkpoint_taken_while_it_runs_is_restored_and_taken_again() -> None:
    async def go() -> None:
        with ModelServer() as server:
            async with session(allow=["net:127.0.0.1"]) as here:
                running = here.start(NESTED, {"url": server.url})
                taken = [running.checkpoint()]
                while not running._task.done():
                    await asyncio.sleep(0.005)
                    taken.append(running.checkpoint())
                value = (await running.result()).value
                assert len({len(one.lines) for one in taken}) > 3
                for one in taken[:: max(1, len(taken) // 5)]:
                    second = here.restore(one)
                    await asyncio.sleep(0.01)
                    between = second.checkpoint()
                    assert between.lines[: len(one.lines)] == one.lines
                    await second.cancel()
                    assert (await here.restore(between).result()).value == value
                before = len(server.requests)
                assert (await here.restore(running.checkpoint()).result()).value == value
                assert len(server.requests) == before

    asyncio.run(go())


def test_a_checkpoint_is_plain_data_that_can_be_saved(tmp_path: Path) -> None:
    _, lines = whole("sleep(0.001) return params.n", {"n": 2**53 + 1})
    path = tmp_path / "x.checkpoint"
    Checkpoint(lines).save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Checkpoint.load(path).lines == lines
    head = json.loads(lines[0])
    assert {"source", "name", "engine", "version", "params", "seed", "limits"} <= set(head)
    assert restored(Checkpoint.load(path).lines).value == 2**53 + 1
    with pytest.raises(UsageError, match="cannot write the checkpoint"):
        Checkpoint(lines).save(tmp_path / "none" / "x")
    with pytest.raises(UsageError, match="cannot read the checkpoint"):
        Checkpoint.load(tmp_path / "none")


def test_a_checkpoint_takes_the_place_of_no_other_file(tmp_path: Path) -> None:
    _, lines = whole("return 1")
    path = tmp_path / "notes.txt"
    path.write_text("of years")
    with pytest.raises(UsageError, match=r"cannot write the checkpoint .*notes.txt: a file is"):
        Checkpoint(lines).save(path)
    assert path.read_text() == "of years"
    assert os.listdir(tmp_path) == ["notes.txt"]
    path.write_text("")
    for _ in range(2):
        Checkpoint(lines).save(path)
    assert Checkpoint.load(path).lines == lines


def test_a_checkpoint_is_a_recording_too(tmp_path: Path) -> None:
    path = tmp_path / "x.checkpoint"
    first, lines = whole("local t = {} for i = 1, 5 do t[i] = time.now() end return t")
    Checkpoint(lines).save(path)
    again = Session(replay=path).run_sync(
        "local t = {} for i = 1, 5 do t[i] = time.now() end return t"
    )
    assert again.value == first.value


def test_an_agent_and_the_functions_it_called_are_as_they_were() -> None:
    source = """
        local ran = {}
        tools.register("note", "Notes.", {type = "object", properties = {text = {type = "string"}},
          required = {"text"}}, function(a) ran[#ran + 1] = a.text .. time.iso(0) return #ran end)
        local a = agent.create({model = "local/tools", tools = {"note"}})
        local first = a:run("one").content
        sleep(0.001)
        local second = a:run("two").content
        return {first, second, ran}
    """
    with ModelServer() as server:
        local = ProviderSettings("openai_compatible", server.url + "/v1")
        settings = Settings(providers={"local": local})
        first, lines = whole(source, settings=settings)
        assert first.error is None, first.error
        assert len(first.value[2]) == 2
        asked = len(server.requests)
        for size in range(1, len(lines) + 1):
            before = len(server.requests)
            again = restored(lines[:size], settings=settings)
            made = len(server.requests) - before
            runs = answers(lines[:size], "agent.run")
            assert made == asked * (2 - runs) // 2
            # A function that ran for an agent whose run had no answer runs again, with that run.
            ran = answers(lines[:size], "time.iso")
            assert len(again.value[2]) == 2 + ran - runs
            if ran == runs:
                assert again.value == first.value
            if runs == 2:
                assert again.usage.input_tokens == first.usage.input_tokens


def test_a_function_that_was_cancelled_is_cancelled_again() -> None:
    source = """
        local out = {}
        local p = async(function()
          return errors.retry(
            function(n) out[#out + 1] = "try " .. n sleep(n * 0.004) error("no") end,
            {initial_delay = 0.001, jitter = 0, max_attempts = 100, retry_if = {"runtime"}})
        end)
        sleep(0.03)
        p:cancel()
        out[#out + 1] = "cancelled"
        sleep(0.01)
        out[#out + 1] = time.iso(0)
        return out
    """
    for isolation in ("none", "process"):
        first, lines = whole(source, isolation=isolation)
        assert first.error is None, first.error
        assert answers(lines, "time.iso") == 1
        for size in range(1, len(lines) + 1):
            # In a worker, a function may have been on its way when the script cancelled it.
            try:
                value = restored(lines[:size], isolation=isolation).value
            except RestoreError as refused:
                assert isolation == "process"
                assert refused.message.endswith("where a function of it was called")
                continue
            late = value[value.index("cancelled") + 1 : -1]
            assert len(late) <= (isolation == "process")
            assert value[-1] == first.value[-1]
            if any("abandoned" in json.loads(line) for line in lines[:size]):
                assert value == first.value


# What cannot be.


def test_an_open_stream_is_refused_and_one_that_is_done_is_not() -> None:
    half = """
        local s = llm.stream("a b c d", {model = "test/offline"})
        local first = s:next()
        sleep(0.001)
        s:close()
        sleep(0.001)
        return first
    """
    first, lines = whole(half)
    [closed] = [i for i, line in enumerate(lines, 1) if answers([line], "stream.close")]
    [opened] = [i for i, line in enumerate(lines, 1) if answers([line], "llm.stream")]
    for size in range(opened, closed):
        assert refusal(lines[:size]) == "an open stream, which llm.stream gave"
    for size in (*range(1, opened), *range(closed, len(lines) + 1)):
        assert restored(lines[:size]).value == first.value
    loop = """
        local text = ""
        for piece in llm.stream("a b c", {model = "test/offline"}) do text = text .. piece end
        sleep(0.001)
        return text
    """
    first, lines = whole(loop)
    assert restored(lines[:-1]).value == first.value
    _, lines = whole("local c = channel.open('jobs', 1) sleep(0.001) return c:len()")
    assert refusal(lines) == "an open channel, which channel.open gave"


def test_a_changed_program_is_refused_with_the_line() -> None:
    source = "local n = 1\nsleep(0.001)\nreturn n"
    _, lines = whole(source)
    assert restored(lines, source).value == 1
    said = refusal(lines, source.replace("n = 1", "n = 2"))
    assert said == "the program has changed: line 1 of spell was 'local n = 1'"
    said = refusal(lines, source + "\n-- more")
    assert said == "the program has changed: spell differs after line 3"


def test_another_engine_version_or_feature_is_refused() -> None:
    _, lines = whole("sleep(0.001) return 1", engine="lua54")
    assert refusal(lines, engine="lua55").startswith("it was made with the engine lua54 (Lua 5.4")
    head = json.loads(lines[0])
    for key, value in (("version", "Lua 5.4, lupa 0.1"), ("llmspell", "0.0.1")):
        other = [json.dumps(head | {key: value}), *lines[1:]]
        assert value in refusal(other, engine="lua54")
    said = refusal(lines, engine="lua54", features=["time"])
    assert said == "its features were full, here they are not"


def test_a_script_that_asks_for_something_else_is_refused_before_anything_is_done() -> None:
    source = """
        http.get(params.url .. "/echo?first")
        parallel({function() http.get(params.url .. "/echo?slow") end, function() sleep(0.001) end})
        http.post(params.url .. "/echo?second", "x")
    """
    with ModelServer() as server:
        options = {"allow": ["net:127.0.0.1"]}
        _, lines = whole(source, {"url": server.url}, **options)
        made = len(server.requests)
        other = [lines[0], *(line.replace("?first", "?third") for line in lines[1:])]
        said = refusal(other, **options)
        assert said.startswith(f'call 1 was http.get("{server.url}/echo?third")')
        assert said.endswith(f'the script now calls http.get("{server.url}/echo?first")')
        other = [lines[0], *(line.replace('"http.post"', '"http.fetch"') for line in lines[1:])]
        assert "the script now calls http.post(" in refusal(other, **options)
        # One that is never asked for.
        extra = json.dumps({"call": "time.now", "args": "[]", "id": 99, "value": "1"})
        said = refusal([*lines[:2], extra, *lines[2:]], **options)
        assert said == "the script does not come to call 99, time.now, which has an answer"
        assert len(server.requests) == made


def test_what_is_rebuilt_must_have_the_answer_it_had() -> None:
    source = (
        "local c = channel.make(3) c:send(5) sleep(0.001) local n = c:len() return n + c:receive()"
    )
    first, lines = whole(source)
    assert first.value == 6
    assert restored(lines).value == 6
    other = [line.replace('"call": "channel.len", "args"', '"call": "channel.len", "x": 1, "args"')
             .replace('"value": "1"', '"value": "2"') for line in lines]  # fmt: skip
    assert refusal(other).startswith("call 4, channel.len, now has: another answer")


# Nobody need trust one.


def test_a_forged_checkpoint_is_held_by_the_policy_of_who_restores_it() -> None:
    source = "local body = http.get('http://127.0.0.1:1/x').body return fs.exists('/etc/passwd')"
    head = json.loads(whole(source, isolation="process")[1][0])
    args = '["http://127.0.0.1:1/x"]'
    value = json.dumps({"status": 200, "headers": {}, "body": "x", "url": "x"})
    answer = {"call": "http.get", "args": args, "id": 1, "value": value}
    forged = [json.dumps(head), json.dumps(answer)]
    said = refusal(forged, level="untrusted")
    assert said.startswith("call 1, http.get, now has: no grant for net")
    # With answers it may have, it goes on, and does no more than it may.
    value = restored([json.dumps(head | {"source": "return pcall(fs.read, '/etc/passwd')"})]).value
    assert value is False
    with pytest.raises(Denied):
        restored([json.dumps(head | {"source": "fs.read('/etc/passwd')"})])


def test_limits_count_what_was_used_and_are_those_of_who_restores() -> None:
    source = """
        local options = {model = "test/offline", max_tokens = 10}
        for i = 1, 4 do llm.generate("a b c d e f g h", options) end
        return "done"
    """
    first, lines = whole(source)
    used = first.usage.input_tokens + first.usage.output_tokens
    assert restored(lines[:3]).usage.input_tokens == first.usage.input_tokens
    with pytest.raises(BudgetExceeded):
        restored(lines[:-1], limits={"tokens": used * 3 // 4 + 1})
    for wrong in (-1, "5", True, None, float("nan")):
        line = json.loads(lines[1]) | {"used": {"input_tokens": wrong}}
        assert "line 2" in refusal([lines[0], json.dumps(line), *lines[2:]])
    with pytest.raises(LlmspellError) as caught:
        restored(lines[:1], limits={"calls": 2})
    assert caught.value.code == "calls"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        "5",
        "null",
        "{}",
        '{"call": "time.now"}',
        '{"call": "time.now", "args": "[]", "id": 1}',
        '{"call": "time.now", "args": "[]", "id": -1, "value": "1"}',
        '{"call": "time.now", "args": "[]", "id": "1", "value": "1"}',
        '{"call": "time.now", "args": "[]", "id": 1, "value": "[1,"}',
        '{"call": "time.now", "args": "[]", "id": 1, "value": "NaN"}',
        '{"call": "time.now", "args": "[]", "id": 1, "value": 5}',
        '{"call": "time.now", "args": "[]", "id": 1, "error": {}}',
        '{"call": "time.now", "args": "[]", "id": 1, "error": {"type": "StepLimit",'
        ' "code": "steps", "message": "x", "frames": [], "limit": "5"}}',
        '{"call": "time.now", "args": "[]", "id": 1, "value": "' + "[" * 100 + "]" * 100 + '"}',
        '{"function": 1, "args": "{}", "entry": 2, "of": 1}',
        '{"function": [], "args": "[]", "entry": 2, "of": 1}',
        '{"function": "main", "args": "[]", "entry": 2, "of": 0}',
        '{"call": "time.now", "args": "[]", "id": 1, "value": "{\\"\\\\u0000bytes\\":5}"}',
        '{"call": "time.now", "args": "[]", "id": 1, "value": "{\\"\\\\u0000handle\\":[1]}"}',
        '{"abandoned": 1, "begun": true, "used": {"disk": Infinity}}',
        '{"abandoned": "x"}',
        '{"used": []}',
    ],
)
def test_a_damaged_line_is_refused_with_its_number(line: str) -> None:
    _, lines = whole("sleep(0.001) return time.now()")
    assert refusal([lines[0], lines[1], line]) == "line 3 is not of a checkpoint"


@pytest.mark.parametrize(
    "change",
    [
        {"checkpoint": 2},
        {"source": 5},
        {"params": "[]"},
        {"params": "{"},
        {"seed": "x"},
        {"seed": -1},
        {"features": "full"},
        {"features": [1]},
        {"engine": None},
    ],
)
def test_a_damaged_head_is_refused(change: dict[str, Any]) -> None:
    _, lines = whole("return 1")
    head = json.dumps(json.loads(lines[0]) | change)
    assert refusal([head, *lines[1:]]) == "it does not begin as a checkpoint does"
    assert refusal([]) == "it does not begin as a checkpoint does"


def test_functions_and_handles_of_a_forged_answer_lead_nowhere() -> None:
    source = """local a = json.decode('1')
        return {type(a), select(2, pcall(function() return a:next() end)) ~= nil}"""
    _, lines = whole(source)
    for value in ('{"\\u0000handle": ["stream", 7]}', '{"\\u0000function": 99}'):
        line = json.loads(lines[1]) | {"value": value}
        try:
            result = restored([lines[0], json.dumps(line)])
        except LlmspellError as error:
            assert error.exit_code != 5
        else:
            assert result.value[1] is True


def test_a_secret_is_not_kept_and_its_run_not_restored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-for-checkpoints-123")
    (tmp_path / "x.txt").write_text("it is sk-not-for-checkpoints-123")

    async def go() -> None:
        async with session(folder=tmp_path) as here:
            kept = tmp_path / "kept"
            running = here.start("fs.read('x.txt') sleep(0.001) return 1", keep=kept)
            assert (await running.result()).value == 1
            with pytest.raises(RestoreError, match=r"the answer of fs\.read held a secret"):
                running.checkpoint()
            assert "sk-not-for" not in kept.read_text()
            running = here.start("return 1", {"key": "sk-not-for-checkpoints-123"}, keep=kept)
            await running.result()
            with pytest.raises(RestoreError, match="its program or parameters held a secret"):
                running.checkpoint()
            assert "sk-not-for" not in kept.read_text()

    asyncio.run(go())


def test_a_checkpoint_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmspell.runtime.keeper.MAX_BYTES", 5000)

    async def go() -> None:
        async with session() as here:
            running = here.start("for i = 1, 100 do json.encode(('x'):rep(100)) end return 1")
            assert (await running.result()).value == 1
            with pytest.raises(RestoreError, match="larger than 5000 characters"):
                running.checkpoint()
            assert sum(map(len, running._run._keeping.keeper._lines)) < 6000  # type: ignore[union-attr]

    asyncio.run(go())


def test_recording_and_checkpoints_exclude_each_other(tmp_path: Path) -> None:
    async def go() -> None:
        async with session(record=tmp_path / "x") as here:
            with pytest.raises(UsageError, match="keeps no checkpoint"):
                here.start("return 1")

    asyncio.run(go())


def test_a_started_spell_ends_with_its_session_or_when_it_is_cancelled() -> None:
    async def go() -> None:
        async with session(pool={"min": 1, "max": 1}) as here:
            first = here.start("sleep(100)")
            second = here.start("return 5")
            with pytest.raises(UsageError, match="has not begun"):
                second.checkpoint()
            await asyncio.sleep(0.02)
            assert len(first.checkpoint().lines) == 1
            await first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first.result()
            assert (await second.result()).value == 5
            third = here.start("sleep(100)")
            await asyncio.sleep(0.01)
        with pytest.raises(asyncio.CancelledError):
            await third.result()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(go())


def test_limits_hold_where_tables_are_put_in_order() -> None:
    source = """
        local t = {}
        for i = 1, 300000 do t["k" .. i] = i end
        while true do for k in pairs(t) do break end next(t, "k7") end
    """

    async def go() -> None:
        async with session() as here:
            for limits, code in (({"time": 1.5}, "time"), ({"steps": 10**6}, "steps")):
                began = time.monotonic()
                running = here.start(source, limits=limits)
                result = await asyncio.wait_for(running.attempt(), PATIENCE)
                assert result.error is not None
                assert result.error.code == code
                assert time.monotonic() - began < PATIENCE / 2

    asyncio.run(go())


# From the command line.

COUNT = """
for i = 1, 6 do
  print(i, http.get(params.url .. "/echo?i=" .. i).status)
  sleep(0.2)
end
return "done"
"""


def command(*args: str, cwd: Path) -> list[str]:
    return [sys.executable, "-m", "llmspell", "run", *args]


def wait_for(true: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_process_goes_on_from_its_file(tmp_path: Path, sent: signal.Signals) -> None:
    (tmp_path / "count.lua").write_text(COUNT)
    file = tmp_path / "count.checkpoint"
    allow = ("--allow", "net:127.0.0.1")
    with ModelServer() as server:
        url = ("-p", f"url={server.url}")
        line = command("count.lua", *url, *allow, "--checkpoint", str(file), cwd=tmp_path)
        process = subprocess.Popen(line, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
        wait_for(lambda: len(server.requests) >= 3)
        os.kill(process.pid, sent)
        process.communicate(timeout=PATIENCE)
        assert process.returncode in (-sent, 130)
        kept = answers(file.read_text().split("\n")[:-1], "http.get")
        done = len(server.requests)
        assert 2 <= kept <= done <= kept + 1
        # A line that was being written when it was killed.
        with file.open("a") as end:
            end.write('{"call": "http.get", "args": "[')
        line = command("count.lua", *allow, "--resume", str(file), cwd=tmp_path)
        again = subprocess.run(
            line, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert again.returncode == 0, again.stderr
        assert again.stdout == "".join(f"{i}\t200\n" for i in range(1, 7)) + "done\n"
        assert len(server.requests) - done == 6 - kept
        # It is whole now: going on from it does nothing, and gives the same.
        before = len(server.requests)
        again = subprocess.run(
            line, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert again.stdout.endswith("done\n")
        assert len(server.requests) == before
        (tmp_path / "count.lua").write_text(COUNT.replace("6", "7"))
        again = subprocess.run(
            line, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert again.returncode == 2
        assert "the program has changed: line 2 of count.lua was 'for i = 1, 6 do'" in again.stderr


@pytest.mark.parametrize("more", [["--checkpoint", "y"], ["-p", "a=1"], ["--record", "z"]])
def test_resume_takes_everything_from_its_file(tmp_path: Path, more: list[str]) -> None:
    (tmp_path / "x.lua").write_text("return 1")
    line = command("x.lua", "--checkpoint", "x", cwd=tmp_path)
    assert subprocess.run(line, cwd=tmp_path, check=False, timeout=PATIENCE).returncode == 0
    line = command("x.lua", "--resume", "x", *more, cwd=tmp_path)
    done = subprocess.run(
        line, cwd=tmp_path, check=False, timeout=PATIENCE, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert checkpoints.Checkpoint.load(tmp_path / "x").head["name"] == "x.lua"


def test_of_those_that_ask_the_same_each_has_its_own_answer() -> None:
    async def main() -> None:
        claims = Claims()

        async def ask(name: str) -> Claim:
            with strand(name):
                return claims.add(1, claims.place(1), "llm.generate", '["same"]')

        # In another order than when their answers were written down.
        second, first = await ask("b"), await ask("a")
        assert claims.give(Inner(1, "/a#1", "llm.generate", '["same"]', b'"of a"'))
        assert (first.found.done(), second.found.done()) == (True, False)
        assert claims.give(Inner(1, "/b#1", "llm.generate", '["same"]', b'"of b"'))
        assert (await second.found) is not None

    asyncio.run(main())


def test_what_cannot_cross_is_told_in_a_kept_run_as_in_any_other() -> None:
    source = """
        local deep = {}
        for _ = 1, 196 do deep = {deep} end
        tools.register("t", "T.", {}, function() return 1 end)
        local calls = {{name = "t", args = {deep = deep}}}
        return tools.parallel(calls)[1].error.code
    """

    async def main() -> None:
        async with Session(limits={"depth": 200}) as session:
            assert (await session.run(source)).value == "bad_argument"
            assert (await session.start(source).result()).value == "bad_argument"

    asyncio.run(main())


def test_one_that_is_cancelled_before_it_begins_closes_its_file(tmp_path: Path) -> None:
    async def main() -> None:
        async with Session() as session:
            await session.start("sleep(60)", keep=tmp_path / "a.ckpt").cancel()
            session.start("sleep(60)", keep=tmp_path / "b.ckpt")

    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", ResourceWarning)
        asyncio.run(main())
        gc.collect()
    assert [str(each.message) for each in found] == []
