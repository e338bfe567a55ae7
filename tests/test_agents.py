"""Agents and hooks: what a table of programs cannot show."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from llmspell import Session
from llmspell.errors import BudgetExceeded, HostFailure, MemoryLimit
from llmspell.host.settings import ProviderSettings, Settings
from llmspell.testing.servers import ModelServer

TOOL = 'tools.register("t", "T.", {}, function() sleep(0) return "x" end) '
WAYS = {
    "run": "agent.create():run('x')",
    "tools": TOOL + "agent.create({tools = {'t'}}):run('x')",
    "stream": TOOL + "for e in agent.create({tools = {'t'}}):stream('x') do end",
    "told": TOOL + "agent.create({tools = {'t'}}):run('x', {on_event = function() end})",
    "output": "agent.create({output = 'name, age int'}):run('x')",
    "chat": "local a = agent.create() a:chat('x') a:chat('y')",
    "helper": "local b = agent.create({name = 'b'}) agent.create({tools = {b}}):run('x')",
    "hand_off": "local b = agent.create({name = 'b'}) agent.create({hand_offs = {b}}):run('x')",
    "team": "local a = agent.create() agent.collaborate({a, a}, 'x', {method = 'parallel'})",
    "hooks": "hooks.register('h', {before_generate = function(q) sleep(0) return q end,"
    " after_generate = function(q) sleep(0) return q end}) agent.create():run('x')",
    "limits": "agent.create({limits = {seconds = 5, tokens = 1000}}):run('x')",
}
"""Every way an agent runs."""


def settings(server: ModelServer) -> Settings:
    return Settings(providers={"local": ProviderSettings("openai_compatible", server.url + "/v1")})


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_run_leaves_no_task_when_it_is_cancelled(way: str) -> None:
    async def main() -> None:
        async with Session(settings=Settings(), model="test") as session:
            await session.run(WAYS[way])
            own = asyncio.all_tasks()
            for moments in range(0, 140, 2 if way in ("run", "output") else 3):
                run = asyncio.create_task(session.attempt(WAYS[way]))
                for _ in range(moments):
                    await asyncio.sleep(0)
                run.cancel()
                await asyncio.gather(run, return_exceptions=True)
                assert asyncio.all_tasks() == own, f"cancelled after {moments} turns of the loop"

    asyncio.run(main())


def test_a_run_reaches_the_provider_with_the_conversation_and_its_tools() -> None:
    source = (
        'tools.register("t", "T.", {}, function() return "x" end) '
        'local a = agent.create({model = "local/tools", tools = {"t"}, system = "Be short."}) '
        "a:chat('one') a:chat('two')"
    )
    with ModelServer() as server:
        Session(settings=settings(server)).run_sync(source)
        sent = list(server.requests[-1].body["messages"])
    assert [message["role"] for message in sent] == [
        "system", "user", "assistant", "tool", "assistant", "user",
    ]  # fmt: skip
    assert sent[0]["content"] == "Be short."
    assert sent[2]["tool_calls"][0]["function"]["name"] == "t"
    assert sent[3]["content"] == "x"


def test_a_stream_that_is_left_closes_its_connection() -> None:
    async def main() -> None:
        with ModelServer() as server:
            for moments in range(0, 60, 6):
                async with Session(settings=settings(server)) as session:
                    source = "agent.create({model = 'local/echo'}):stream(('a '):rep(500)):next()"
                    run = asyncio.create_task(session.attempt(source))
                    for _ in range(moments):
                        await asyncio.sleep(0)
                    run.cancel()
                    await asyncio.gather(run, return_exceptions=True)
                gc.collect()
                assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


def test_a_budget_is_refused_before_anything_is_sent() -> None:
    with ModelServer() as server:
        session = Session(settings=settings(server))
        with pytest.raises(HostFailure) as caught:
            session.run_sync(
                "agent.create({model = 'local/echo', limits = {tokens = 1}}):run('hello')"
            )
        assert caught.value.code == "budget"
        assert not server.requests


def test_the_budget_of_the_spell_stands_above_that_of_an_agent() -> None:
    with ModelServer() as server, pytest.raises(BudgetExceeded):
        Session(settings=settings(server), limits={"tokens": 1}).run_sync(
            "pcall(agent.run, agent.create({model = 'local/echo', limits = {tokens = 900}}), 'x')"
        )


def test_a_replay_of_agents_asks_nobody(tmp_path: Path) -> None:
    source = (
        TOOL + "local a = agent.create({model = 'local/tools', tools = {'t'}}) a:chat('x') "
        "local events = 0 for e in a:stream('y') do events = events + 1 end "
        "a:as_tool('ask') return {a:chat('z').content, #a:history(), events, "
        "tools.execute('ask', {task = 'w'})}"
    )
    kept = tmp_path / "record"
    with ModelServer() as server:
        first = Session(settings=settings(server), record=kept).run_sync(source)
        asked = len(server.requests)
        again = Session(settings=settings(server), replay=kept).run_sync(source)
        assert asked and len(server.requests) == asked
    assert again.value == first.value


def test_a_restored_run_has_the_conversation_it_had() -> None:
    source = TOOL + (
        "local a = agent.create({model = 'local/tools', tools = {'t'}}) "
        "a:chat('one') sleep(0.001) a:chat('two') sleep(0.001) "
        "a:reset({}) a:chat('three') return {#a:history(), a:export()}"
    )

    async def main() -> None:
        with ModelServer() as server:
            async with Session(settings=settings(server)) as session:
                running = session.start(source)
                first = (await running.result()).value
                lines = running.checkpoint().lines
                from llmspell.runtime.checkpoint import Checkpoint

                for size in range(1, len(lines) + 1):
                    before = len(server.requests)
                    again = await session.restore(Checkpoint(lines[:size])).result()
                    assert again.value == first
                    calls = [json.loads(line).get("call") for line in lines[:size]]
                    made = len(server.requests) - before
                    assert made == (5, 3, 2, 0)[calls.count("agent.chat")]

    asyncio.run(main())


def test_hooks_of_the_program_have_the_last_word_and_are_out_of_reach() -> None:
    seen: list[str] = []

    def before(request: Any) -> None:
        seen.append(request.messages[-1].content)

    async def after(answer: Any) -> dict[str, Any]:
        return {"content": answer.content.replace("secret", "***")}

    source = (
        "hooks.register('own', {priority = 1000, before_generate = function(q) "
        "q.messages[1].content = 'secret' return q end}) "
        "hooks.clear() hooks.register('own', {before_generate = function(q) "
        "q.messages[1].content = 'secret two' return q end}) "
        "local _, e = pcall(hooks.get, 'audit') "
        "return {llm.generate('x', {model = 'local/echo'}), #hooks.list(), e.code}"
    )
    with ModelServer() as server:
        session = Session(
            settings=settings(server),
            hooks={"audit": {"before_generate": before, "after_generate": after}},
        )
        result = session.run_sync(source)
    assert result.value == ["echo: *** two", 1, "not_found"]
    assert seen == ["secret two"]


def test_a_snapshot_has_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-key-of-this-test")
    text = (
        Session(allow=["llm:*"])
        .run_sync("return agent.create({model = 'openai/gpt-x', system = 's'}):export()")
        .value
    )
    assert "sk-very" not in text
    assert json.loads(text)["options"]["model"] == "openai/gpt-x"


def test_agents_that_run_are_counted_and_bounded() -> None:
    source = (
        "local a = agent.create({model = llm.providers.create_mock('m', {'x'}, "
        "{latency = 30, cycle = true})}) "
        "local tasks = {} for i = 1, 520 do tasks[i] = async(function() "
        "local ok, e = pcall(a.run, a, 'x') return e.code end) end "
        "local refused = 0 for i = 513, 520 do if await(tasks[i]) == 'busy' then "
        "refused = refused + 1 end end "
        "local running = a:status().running a:cancel() "
        "local cancelled = 0 for i = 1, 512 do if await(tasks[i]) == 'cancelled' then "
        "cancelled = cancelled + 1 end end return {refused, running, cancelled}"
    )
    value = Session(limits={"time": 120, "tasks": 2000}).run_sync(source).value
    assert value == [8, 512, 512]


RAW = {
    "a list": "[1, 2]",
    "text": '"x"',
    "no JSON": "{1: 2",
    "no number of JSON": '{"a": NaN}',
    "too large a number": '{"a": 123456789012345678901234567890}',
    "a key that begins with NUL": '{"\\u0000a": 1}',
    "too deep": '{"a": ' * 31 + "1" + "}" * 31,
}
"""What a model may send as arguments that no tool can be given."""


class _Careless(BaseHTTPRequestHandler):
    """A provider whose model calls the tool `t` with `raw` arguments, and then says "done"."""

    raw = ""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        call = {"name": "t", "arguments": self.raw}
        said: dict[str, Any] = {"role": "assistant", "content": "done"}
        if body["messages"][-1]["role"] != "tool":
            calls = [{"id": "1", "type": "function", "function": call}]
            said = {"role": "assistant", "content": None, "tool_calls": calls}
        answer = {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "message": said, "finish_reason": "stop"}],
        }
        text = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.mark.parametrize("raw", RAW.values(), ids=RAW)
def test_arguments_that_cannot_be_are_news_for_the_model(raw: str) -> None:
    source = (
        'tools.register("t", "T.", {}, function() return "ran" end) '
        'local r = agent.create({model = "careless/m", tools = {"t"}}):run("x") '
        "return {r.content, r.tool_calls[1].error ~= nil, r.steps}"
    )
    handler = type("Handler", (_Careless,), {"raw": raw})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            url = f"http://127.0.0.1:{server.server_address[1]}/v1"
            local = Settings(providers={"careless": ProviderSettings("openai_compatible", url)})
            assert Session(settings=local).run_sync(source).value == ["done", True, 2]
        finally:
            server.shutdown()


def test_a_conversation_counts_as_memory_while_it_grows_and_no_longer() -> None:
    source = (
        'local m = llm.providers.create_mock("m", {{tool_calls = {{name = "big"}}}}, '
        '{cycle = true}) local text = string.rep("x", 1000000) '
        'tools.register("big", "B.", {}, function() return text end) '
        'local a = agent.create({model = m, tools = {"big"}, max_steps = params.steps}) '
        'for i = 1, params.times do pcall(a.run, a, "x") end'
    )
    session = Session(limits={"memory": "40MB"})
    session.run_sync(source, {"steps": 20, "times": 4})
    with pytest.raises(MemoryLimit):
        session.run_sync(source, {"steps": 80, "times": 1})


CONFIGURED = {
    "replaced": (True, "a:configure({system = text(i)})"),
    "refused": (True, "assert(not pcall(a.configure, a, {system = text(i), tools = {'none'}}))"),
    "tools": (True, "a:add_tools({'t'}) a:configure({tools = {}, system = text(i)})"),
    "cloned": (False, "a:configure({system = text(i)}) kept[i] = a:clone()"),
    "running": (False, "a:configure({system = text(i)}) spawn(a.run, a, 'x') sleep(0)"),
    "both": (False, "kept[i] = agent.create({system = text(i)}) kept[i]:configure({system = ''})"),
}
"""What is done twenty times with a text of a megabyte, and whether 10 MB are enough for it."""


@pytest.mark.parametrize("way", CONFIGURED)
def test_options_count_as_memory_as_long_as_anybody_has_them(way: str) -> None:
    fits, source = CONFIGURED[way]
    source = (
        'tools.register("t", "T.", {}, function() end) local kept = {} '
        'local m = llm.providers.create_mock("m", {"ok"}, {cycle = true, latency = 5}) '
        "local function text(i) return string.rep(string.char(96 + i), 1000000) end "
        f"local a = agent.create({{model = m}}) for i = 1, 20 do {source} collectgarbage() end"
    )
    error = Session(limits={"memory": "10MB"}).attempt_sync(source).error
    assert error is None if fits else isinstance(error, MemoryLimit)


def test_a_hook_of_the_program_that_breaks_ends_a_stream_with_an_error() -> None:
    def broken(request: Any) -> None:
        raise ZeroDivisionError

    session = Session(settings=Settings(), model="test", hooks={"h": {"before_generate": broken}})
    for ask in ("for e in a:stream('x') do end", "a:run('x', {on_event = function() end})"):
        with pytest.raises(HostFailure, match="hook h failed in the program") as caught:
            session.run_sync(f"local a = agent.create() {ask}")
        assert caught.value.code == "host"


def form_of(body: dict[str, Any]) -> str:
    """How a request tells a model the form of its answer."""
    if "response_format" in body:
        return "native"
    names = [tool["function"]["name"] for tool in body.get("tools", ())]
    return "tool" if "answer" in names else "in words"


def test_the_provider_holds_the_form_of_an_answer_where_there_are_no_tools() -> None:
    source = """
        local out = {}
        local models = {"data", "data-wrong-1", "data-no-schema", "data-no-schema", "data-words"}
        for i, model in ipairs(models) do
          local schema = model == "data-words" and {type = "object"} or "a, n int"
          local a = agent.create({model = "local/" .. model, system = "Be short.", output = schema})
          local types = {}
          local reply = a:run("x", {on_event = function(e) types[#types + 1] = e.type end})
          out[i] = {reply.output.a or "words", table.concat(types, " ")}
        end
        return out
    """
    with ModelServer() as server:
        value = Session(settings=settings(server)).run_sync(source).value
        forms = [form_of(request.body) for request in server.requests]
    assert value == [*[["a", "done"]] * 4, ["words", "done"]]
    # Refused once, a form is not tried again; in words it is the last way.
    assert forms == [
        "native",
        *["native", "native"],
        *["native", "tool"],
        "tool",
        *["native", "tool", "in words"],
    ]
    told = [request.body["messages"][0]["content"] for request in server.requests]
    assert told[0] == "Be short."
    assert told[-1].startswith("Be short.\n\nAnswer with one JSON value that fits")


def test_beside_tools_the_form_of_an_answer_is_one_more_tool() -> None:
    source = (
        'tools.register("t", "T.", {}, function() return "x" end) '
        'agent.create({model = "local/tools", tools = {"t"}, output = "a", max_steps = 1}):run("x")'
    )
    with ModelServer() as server:
        with pytest.raises(HostFailure):
            Session(settings=settings(server)).run_sync(source)
        (request,) = server.requests
    names = [tool["function"]["name"] for tool in request.body["tools"]]
    assert (sorted(names), form_of(request.body)) == (["answer", "t"], "tool")
    assert request.body["tool_choice"] == "required"


def test_an_agent_that_was_restored_says_what_it_would_have_said() -> None:
    begin = """
        tools.register("look", "L.", {}, function() return {sky = "clear", at = {1, 2}} end)
        tools.register("fail", "F.", {}, function() error("no luck", 0) end)
        local a = agent.create({model = "local/tools-all", system = "Short.", temperature = 0.5,
          tools = {"look", "fail"}})
        a:chat("first")
        local text = a:export()
        a:chat("second")
        return text
    """
    resume = """
        tools.register("look", "L.", {}, function() return {sky = "clear", at = {1, 2}} end)
        tools.register("fail", "F.", {}, function() error("no luck", 0) end)
        agent.import(params.text):chat("second")
    """
    with ModelServer() as server:
        session = Session(settings=settings(server))
        text = session.run_sync(begin).value
        before = [request.body for request in server.requests][2:]
        session.run_sync(resume, {"text": text})
        after = [request.body for request in server.requests][2 + len(before) :]
    said = [message["role"] for message in before[0]["messages"]]
    assert said == ["system", "user", "assistant", "tool", "tool", "assistant", "user"]
    assert after == before


def test_a_hook_changes_a_text_where_it_stands() -> None:
    from pydantic_ai.messages import ModelResponse, TextPart, ThinkingPart, ToolCallPart
    from pydantic_ai.models.test import TestModel

    from llmspell.host.agents.hooked_models import HookedModel
    from llmspell.host.agents.hooks import Hook, Hooks

    async def answered(parts: list[Any]) -> list[str]:
        hook = Hook("h", 0, {"after_generate": lambda answer: {"content": "new"}}, fixed=True)
        given = Hooks(SimpleNamespace(meter=SimpleNamespace(around=None)))  # type: ignore[arg-type]
        given.fix([hook])
        model = HookedModel(TestModel(), given, "m", None)
        response = await model._after(ModelResponse(parts))
        return [
            f"{part.part_kind} {getattr(part, 'content', '')}".strip() for part in response.parts
        ]

    call, thought = ToolCallPart("t", {}), ThinkingPart("hm")
    told = asyncio.run(answered([thought, TextPart("old"), TextPart("er"), call]))
    assert told == ["thinking hm", "text new", "tool-call"]
    assert asyncio.run(answered([thought, call])) == ["thinking hm", "text new", "tool-call"]


def test_the_programs_of_the_page_run() -> None:
    page = Path(__file__).parents[1] / "docs" / "agents.md"
    programs = re.findall(r"```lua\n(.*?)```", page.read_text("utf-8"), re.S)
    assert len(programs) == 4
    printed = [
        Session(model="test", settings=Settings(), stdin=io.StringIO("hello\n"))
        .run_sync(program)
        .output
        for program in programs
    ]
    assert "weather\tok" in printed[0]
    assert re.fullmatch(r"you: \[offline test model\] calculator said .+\nyou: ", printed[1])
    assert printed[2].count("\n") == 3
    assert printed[3] == "[offline test model] 1 words about: Please.\n"


def test_an_agent_is_asked_with_every_option_and_with_those_that_hold_by_default() -> None:
    source = """
    llm.set_defaults({reasoning = "high", presence_penalty = 1, provider_options = {user = "u"}})
    local own = {temperature = 0.5, top_p = 0.5, frequency_penalty = -1, seed = 3, stop = {"end"}}
    agent.create(own):run("x")
    llm.generate("x", own)
    """
    with ModelServer() as server:
        Session(settings=settings(server), model="local/echo").run_sync(source)
        ours, bare = (asked.body for asked in server.requests)
    assert ours == bare
    assert {name: bare[name] for name in ("temperature", "top_p", "seed", "stop", "user")} == {
        "temperature": 0.5, "top_p": 0.5, "seed": 3, "stop": ["end"], "user": "u",
    }  # fmt: skip
    assert (bare["presence_penalty"], bare["frequency_penalty"]) == (1, -1)


def test_a_team_tells_what_those_that_failed_have_used() -> None:
    source = """
    local calls = {{tool_calls = {{name = "calculator", args = {expression = "1"}}}}}
    local m = llm.providers.create_mock("m", calls, {cycle = true})
    local a = agent.create({name = "a", model = m, tools = {"calculator"}, max_steps = 3})
    local b = agent.create({name = "b", model = "local/echo"})
    local found = {}
    for i, method in ipairs({"parallel", "sequential", "vote", "leader"}) do
      local team = method == "leader" and {b, a} or {a, b}
      local before = a:status().input_tokens + b:status().input_tokens
      local said = agent.collaborate(team, "x", {method = method})
      found[i] = said.input_tokens - (a:status().input_tokens + b:status().input_tokens - before)
    end
    return {found, a:status().failures}
    """
    with ModelServer() as server:
        session = Session(settings=settings(server), model="local/echo")
        assert session.run_sync(source).value == [[0, 0, 0, 0], 4]
