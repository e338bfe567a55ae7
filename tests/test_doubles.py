"""Test doubles: scripted models in place of real ones, and providers that scripts make."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import Any

import pytest

from llmspell import Session
from llmspell.errors import BadArgument, CapabilityError, LlmspellError, ProviderFailure
from llmspell.host.doubles.doubles import MAX_CALLS, MAX_QUESTION, Double, DoubleOptions, matches
from llmspell.host.net.keyless import MAX_ANSWER, SENT
from llmspell.host.settings import ProviderSettings, Settings
from llmspell.testing import Answer, MockCall, Question, answering, failing, scripted, slow
from llmspell.testing.servers import ModelServer

KEY = "sk-this-must-never-leave-0123456789"


def spell(source: str, params: dict[str, Any] | None = None, **options: Any) -> Any:
    """What a spell gives; its error, when it fails."""
    return Session(**{"settings": Settings(), **options}).run_sync(source, params or {}).value


def error_of(source: str, params: dict[str, Any] | None = None, **options: Any) -> LlmspellError:
    with pytest.raises(LlmspellError) as caught:
        spell(source, params, **options)
    return caught.value


# From Python


def test_a_double_stands_for_a_real_model() -> None:
    double = scripted("one", Answer(text="sunny", match="*weather*"), "two")
    source = """
        local model = "openai/gpt-6-luna"
        local list = {}
        for i, prompt in ipairs({ "x", "how is the weather?", "y" }) do
          list[i] = llm.generate(prompt, { model = model })
        end
        return list
    """
    assert spell(source, models={"openai/*": double}) == ["one", "sunny", "two"]
    assert list(double.calls) == ["x", "how is the weather?", "y"]
    assert double.asked == 3


def test_a_model_that_is_named_comes_before_every_pattern() -> None:
    models = {"*": scripted("any"), "openai/*": scripted("some"), "openai/gpt-4o": scripted("one")}
    assert spell("return llm.generate('x', {model = 'openai/gpt-4o'})", models=models) == "one"
    assert spell("return llm.generate('x', {model = 'openai/o3'})", models=models) == "any"


def test_a_double_makes_the_vectors_of_the_offline_model() -> None:
    source = """
        llm.providers.create_mock("m", { "x" })
        local plain = llm.embed("the cat", { model = "test" }).vectors[1]
        local out = {}
        for i, model in ipairs({ "openai", "openai/text-embedding-3-large", "m", "mock/m", "" }) do
          local made = llm.embed("the cat", { model = model ~= "" and model or nil })
          out[i] = { made.model, made.cost, #made.vectors[1] == #plain }
        end
        return out
    """
    found = spell(source, models={"openai/*": scripted("x"), "d": scripted("x")}, model="mock/d")
    names = ["openai/text-embedding-3-small", "openai/text-embedding-3-large",
             "mock/m", "mock/m", "mock/d"]  # fmt: skip
    assert [name for name, _, _ in found] == names
    assert all(same for _, _, same in found)
    assert found[0][1] > 0 and found[2][1] == 0


def test_a_pool_makes_no_vectors() -> None:
    source = """
        local pool = llm.pool.create("p", { "test/offline" })
        llm.embed("x", { model = "pool/p" })
    """
    error = error_of(source)
    assert error.code == "unsupported"


def test_doubles_count_as_memory_until_they_are_removed() -> None:
    source = """
        local answers = {}
        for i = 1, 1000 do answers[i] = "" end
        for i = 1, params.n do
          llm.providers.create_mock("m" .. i, answers)
          if params.remove then llm.providers.remove("m" .. i) end
        end
        return "done"
    """
    limits = {"memory": "8MB"}
    assert error_of(source, {"n": 30}, limits=limits).code == "memory"
    assert spell(source, {"n": 30, "remove": True}, limits=limits) == "done"


def test_a_double_can_be_the_default_model() -> None:
    assert spell("return llm.generate('x')", models={"m": scripted("hi")}, model="mock/m") == "hi"


def test_a_star_stands_for_any_model() -> None:
    """The one that is asked where none is named too, and nobody is told of another."""
    told: list[str] = []
    everything = answering(lambda question: f"to {question.prompt}")
    source = """
    return {
      llm.generate("none"), llm.generate("full", {model = "openai/gpt-6-luna"}),
      llm.generate("short", {model = "mine"}), llm.generate("test", {model = "test/offline"}),
      agent.create():run("agent").content,
    }
    """
    wanted = ["to none", "to full", "to short", "to test", "to agent"]
    assert spell(source, models={"*": everything}, notify=told.append) == wanted
    assert told == []


def test_a_double_that_has_no_answer_left_says_so() -> None:
    error = error_of(
        "llm.generate('x') llm.generate('x')", models={"m": scripted("hi")}, model="mock/m"
    )
    assert (error.code, error.line) == ("no_answer", 1)
    assert "mock/m has no answer: all of its answers were given (1)" in str(error)
    cycling = {"m": scripted("a", "b", cycle=True)}
    source = "local t = {} for i = 1, 5 do t[i] = llm.generate('x') end return table.concat(t)"
    assert spell(source, models=cycling, model="mock/m") == "ababa"


def test_a_function_answers() -> None:
    def reply(question: Question) -> str | Answer:
        if question.call == 2:
            return Answer(error="server_error")
        return f"{question.system}|{question.prompt}|{len(question.messages)}"

    source = """
        local first = llm.generate("hi", { system = "Be short." })
        local ok, err = pcall(llm.generate, "hi")
        return { first, err.code, err.retryable }
    """
    models = {"m": answering(reply)}
    assert spell(source, models=models, model="mock/m") == ["Be short.|hi|1", "server_error", True]


@pytest.mark.parametrize(
    ("how", "code"),
    [(401, "key_refused"), (404, "model_unknown"), (429, "rate_limited"), (500, "server_error"),
     (422, "rejected"), ("timeout", "timeout"), ("content_filter", "content_filter")],
)  # fmt: skip
def test_a_double_fails_on_cue(how: str | int, code: str) -> None:
    source = "local ok, err = pcall(llm.generate, 'x') return {err.code, err.type}"
    assert spell(source, models={"m": failing(how)}, model="mock/m") == [code, "ProviderFailure"]


def test_a_script_can_try_again_after_a_failure() -> None:
    source = """
        return errors.retry(function() return llm.generate("x") end, { initial_delay = 0.01 })
    """
    double = failing(503, times=2, then="at last")
    assert spell(source, models={"m": double}, model="mock/m") == "at last"
    assert double.asked == 3


def test_latency_and_streams() -> None:
    source = """
        local pieces = {}
        for piece in llm.stream("x") do pieces[#pieces + 1] = piece end
        return { table.concat(pieces), #pieces > 1 }
    """
    began = time.monotonic()
    double = scripted("one two three", latency=0.2, chunk_delay=0.1)
    assert spell(source, models={"m": double}, model="mock/m") == ["one two three", True]
    assert time.monotonic() - began >= 0.4


def test_a_slow_double_does_not_hold_up_others() -> None:
    async def whole() -> None:
        late = slow(30)
        models = {"slow": late, "quick": scripted("q", cycle=True)}
        async with Session(settings=Settings(), models=models) as session:
            waiting = asyncio.create_task(session.run("return llm.generate('x', {model='slow'})"))
            while not late.asked:
                await asyncio.sleep(0.005)
            quick = await session.run("return llm.generate('x', {model='mock/quick'})")
            assert quick.value == "q"
            assert not waiting.done()
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

    asyncio.run(asyncio.wait_for(whole(), 30))


def test_an_agent_calls_tools_for_a_double() -> None:
    source = """
        tools.register("add", "Adds.", { properties = { a = { type = "integer" } } },
          function(args) return args.a + 1 end)
        local reply = agent.create({ tools = { "add" } }):run("go")
        return { reply.content, reply.tool_calls[1].result }
    """
    double = scripted(Answer(tool_calls=[MockCall("add", {"a": 41})]), "done")
    assert spell(source, models={"m": double}, model="mock/m") == ["done", 42]


def test_a_double_keeps_the_budget_and_its_price_is_that_of_the_model() -> None:
    double = scripted(Answer(text="x", input_tokens=1000, output_tokens=500), cycle=True)
    source = "local r = llm.generate_message({{role='user',content='x'}}) return r.cost"
    assert spell(source, models={"m": double}, model="mock/m") == 0
    cost = spell(source, models={"openai/gpt-6-luna": double}, model="openai/gpt-6-luna")
    assert cost is None or cost > 0
    again = "for i = 1, 9 do llm.generate('x', {max_tokens = 10}) end"
    error = error_of(again, models={"m": double}, model="mock/m", limits={"tokens": 2000})
    assert error.code == "budget"


def test_grants_hold_for_doubles() -> None:
    error = error_of(
        "return llm.generate('x', {model = 'openai/gpt-6-luna'})",
        models={"*": scripted("x")}, level="untrusted", isolation="process",
    )  # fmt: skip
    assert error.code == "denied"


def test_a_double_remembers_so_much_and_no_more() -> None:
    double = Double(["x"], DoubleOptions(cycle=True))

    async def ask() -> None:
        for n in range(MAX_CALLS + 50):
            await double.answer("m", Question(f"{n} " + "y" * 10_000, "", [], [], n))

    asyncio.run(ask())
    assert len(double.calls) == MAX_CALLS
    assert double.calls[0].startswith("50 ") and len(double.calls[0]) == MAX_QUESTION


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [("weather", "the weather today", True), ("a*c", "a b c", True), ("c*a", "a b c", False),
     ("", "x", True), ("*", "", True), ("a*a", "a", False), ("x", "", False)],
)  # fmt: skip
def test_patterns(pattern: str, text: str, fits: bool) -> None:
    assert matches(pattern, text) is fits


def test_patterns_take_linear_time() -> None:
    began = time.process_time()
    assert not matches("a*" * 500 + "b", "a" * 1_000_000)
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("given", "told"),
    [({"error": "rate_limitd"}, "did you mean rate_limited"), ({"status": 200}, "from 400 to 599"),
     ({"latency": -1}, "latency must be"), ({"retry_after": 1e9}, "retry_after must be")],
)  # fmt: skip
def test_an_answer_that_no_provider_gives_is_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Answer(**given)


def test_a_double_needs_answers() -> None:
    with pytest.raises(BadArgument, match="1 to 10000"):
        scripted()
    with pytest.raises(BadArgument, match="text or an Answer, got int"):
        scripted(7)  # type: ignore[arg-type]


# From scripts: providers


def test_doubles_of_one_run_are_not_those_of_another() -> None:
    async def whole() -> None:
        async with Session(settings=Settings()) as session:
            make = "llm.providers.create_mock('m', {params.text}) llm.pool.create('p', {'m'}) "
            one, two = await asyncio.gather(
                session.run(make + "time.sleep(0.05) return llm.generate('x', {model='m'})",
                            {"text": "one"}),
                session.run(make + "time.sleep(0.05) return llm.generate('x', {model='pool/p'})",
                            {"text": "two"}),
            )  # fmt: skip
            assert (one.value, two.value) == ("one", "two")
            for model in ("m", "mock/m", "pool/p"):
                with pytest.raises(ProviderFailure, match="names no model"):
                    await session.run("return llm.generate('x', {model=params.m})", {"m": model})

    asyncio.run(whole())


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "LOCAL_KEY", "OPENAI_COMPATIBLE_API_KEY", "OPENAI_ORG_ID",
                 "OPENAI_PROJECT_ID", "ANTHROPIC_API_KEY"):  # fmt: skip
        monkeypatch.setenv(name, KEY)
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"x-secret: {KEY}")


OWN = """
    llm.providers.create("lab", { base_url = params.url .. "/v1", model = "echo" })
    local text = llm.generate("hello", { model = "lab" })
    local pieces = {}
    for piece in llm.stream("hello you", { model = "lab/echo" }) do pieces[#pieces + 1] = piece end
    return { text, table.concat(pieces), llm.providers.test_connection("lab").ok }
"""


def granted(server: ModelServer) -> list[str]:
    return [f"net:{server.url.removeprefix('http://')}"]


def test_a_server_of_ones_own_gets_no_key(secrets: None, server: ModelServer) -> None:
    before = len(server.requests)
    found = spell(OWN, {"url": server.url}, allow=granted(server))
    assert found == ["echo: hello", "echo: hello you", True]
    sent = server.requests[before:]
    assert len(sent) == 3
    for request in sent:
        assert KEY not in str(request), "no secret in any header or body"
        assert set(request.headers) <= SENT


def test_a_server_of_ones_own_makes_vectors(secrets: None, server: ModelServer) -> None:
    source = """
        llm.providers.create("lab", { base_url = params.url .. "/v1" })
        return #llm.embed({ "a", "b" }, { model = "lab/embed" }).vectors
    """
    before = len(server.requests)
    assert spell(source, {"url": server.url}, allow=granted(server)) == 2
    assert KEY not in str(server.requests[before:])


def test_a_server_of_ones_own_needs_a_grant(server: ModelServer) -> None:
    before = len(server.requests)
    error = error_of(OWN, {"url": server.url}, allow=["net:example.com"])
    assert error.code == "denied"
    for other in ("http://169.254.169.254", "http://[::1]:1", "http://metadata.google.internal"):
        assert error_of(OWN, {"url": other}).code in ("denied", "unreachable")
    asked = "llm:openai/*"
    error = error_of(
        OWN, {"url": server.url}, level="untrusted", allow=[*granted(server), asked]
    )  # fmt: skip
    assert error.code == "denied"
    assert "llm:lab/echo" in str(error)
    assert len(server.requests) == before


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("{base_url = 'http://h', api_key = 'x'}", "options.api_key is not known"),
        ("{base_url = 'http://h', provider = 'openai'}", "either base_url or provider"),
        ("{}", "either base_url or provider"),
        ("{base_url = 'file:///etc/passwd'}", "must begin with http"),
        ("{base_url = 'http://user:pw@example.com'}", "no user, password"),
        ("{provider = 'opnai'}", "did you mean openai"),
    ],
)
def test_what_is_no_provider_is_refused(options: str, told: str) -> None:
    error = error_of(f"llm.providers.create('lab', {options})", allow=["net:*"])
    assert told in str(error)
    assert error.code in ("bad_argument", "not_found")


@pytest.mark.parametrize("name", ["openai", "mock", "pool", "test", "a/b", "", "x" * 65])
def test_a_script_cannot_take_the_name_of_a_provider(name: str) -> None:
    error = error_of("llm.providers.create_mock(params.name, {'x'})", {"name": name})
    assert error.code == "bad_argument"


def test_another_name_for_a_provider_goes_where_that_one_goes(
    secrets: None, server: ModelServer
) -> None:
    local = ProviderSettings("openai_compatible", server.url + "/v1", "LOCAL_KEY")
    source = """
        llm.providers.create("quick", { provider = "local", model = "echo" })
        local reply = llm.generate_message({{ role = "user", content = "x" }}, { model = "quick" })
        return { reply.content, reply.model, llm.providers.get("quick").kind }
    """
    settings = Settings(providers={"local": local})
    assert spell(source, settings=settings) == ["echo: x", "local/echo", "local"]
    assert server.requests[-1].headers["authorization"] == f"Bearer {KEY}"
    error = error_of(source, settings=settings, level="untrusted", allow=["llm:openai/*"])
    assert error.code == "denied", "the grant is asked for by the real name"


def test_a_server_cannot_give_tokens_back() -> None:
    from pydantic_ai.messages import ModelResponse, TextPart
    from pydantic_ai.usage import RequestUsage

    from llmspell.host.llm.models import Models
    from llmspell.host.settings import Environment

    models = Models(Settings(), Environment({}))
    for usage in (RequestUsage(input_tokens=-9, output_tokens=5), RequestUsage(output_tokens=-7)):
        used = models.used("lab/x", ModelResponse([TextPart("four")], usage=usage), 3)
        assert used == (3, 1, None)


def test_an_answer_of_a_strange_server_is_bounded(server: ModelServer) -> None:
    import httpx2

    from llmspell.host.net.keyless import open_keyless

    async def whole() -> None:
        async with open_keyless(lambda kind, what: None) as http:
            with pytest.raises(ProviderFailure, match="larger than"):
                await http.get(f"{server.url}/bytes?n={MAX_ANSWER + 1}")
            with pytest.raises(CapabilityError, match="compressed"):
                await http.get(f"{server.url}/gzip-bomb?n=100000000")
            moved = await http.get(f"{server.url}/redirect?to=/text")
            assert moved.status_code == 302, "it is not followed"
            reply: httpx2.Response = await http.get(f"{server.url}/text")
            assert reply.text == "plain text\n"

    asyncio.run(whole())


def test_connections_are_tested_with_the_key_and_without_cost(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_KEY", "good")
    monkeypatch.setenv("BAD_KEY", "bad-key")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "good")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
    monkeypatch.setenv("GEMINI_API_KEY", "good")
    monkeypatch.setenv("GEMINI_BASE_URL", server.url)
    monkeypatch.setenv("OLLAMA_HOST", server.url)
    kind = "openai_compatible"
    settings = Settings(
        providers={
            "local": ProviderSettings(kind, server.url + "/v1", "LOCAL_KEY"),
            "bad": ProviderSettings(kind, server.url + "/v1", "BAD_KEY"),
            "gone": ProviderSettings(kind, "http://127.0.0.1:1/v1", "LOCAL_KEY"),
            "none": ProviderSettings(kind, server.url + "/v1", "UNSET_KEY"),
        }
    )
    source = """
        local found = {}
        for _, name in ipairs({ "local", "anthropic", "gemini", "ollama", "test", "bad", "gone",
                                "none" }) do
          local told = llm.providers.test_connection(name)
          found[name] = told.code or told.ok
        end
        return found
    """
    result = Session(settings=settings).run_sync(source)
    assert result.value == {
        "local": True, "anthropic": True, "gemini": True, "ollama": True, "test": True,
        "bad": "key_refused", "gone": "unreachable", "none": "key_missing",
    }  # fmt: skip
    assert result.usage.model_calls == 0


def test_what_is_listed_tells_no_secret(secrets: None) -> None:
    settings = Settings(
        providers={
            "private": ProviderSettings("openai_compatible", f"http://me:{KEY}@h/v1?key={KEY}")
        }
    )
    source = "return json.encode({llm.providers.list(), llm.providers.templates()})"
    told = spell(source, settings=settings)
    assert '"private"' in told and "http://h/v1" in told
    assert KEY not in told


def test_only_providers_within_reach_are_listed() -> None:
    source = """
        local names = {}
        for i, item in ipairs(llm.providers.list()) do names[i] = item.name end
        return names
    """
    names = spell(source, level="untrusted", allow=["llm:openai/*"])
    assert names == ["openai"]


def test_metrics_count_what_every_provider_was_asked(server: ModelServer) -> None:
    local = ProviderSettings("openai_compatible", server.url + "/v1")
    source = """
        llm.generate("one two", { model = "local/echo" })
        pcall(llm.generate, "x", { model = "local/fail-500" })
        for _ in llm.stream("one two", { model = "local/echo" }) do end
        agent.create({ model = "local/echo" }):run("go")
        local m = llm.providers.metrics()[1]
        llm.providers.reset_metrics()
        return { m.name, m.requests, m.failures, m.last_error, m.output_tokens, m.latency > 0,
          llm.providers.metrics()[1].requests }
    """
    found = spell(source, settings=Settings(providers={"local": local}))
    assert found == ["local", 4, 1, "server_error", 8, True, 0]


def test_a_run_with_doubles_and_pools_is_replayed(tmp_path: Path) -> None:
    source = """
        llm.providers.create_mock("bad", { { status = 500 } }, { cycle = true })
        llm.providers.create_mock("f", function(q) return "said " .. q.prompt .. params.n end)
        local p = llm.pool.create("p", { "bad", "f" })
        local pieces = {}
        for piece in p:stream("three") do pieces[#pieces + 1] = piece end
        return { p:generate("one"), llm.generate("two", { model = p }), table.concat(pieces),
          p:metrics()[1].failures, llm.providers.calls("f") }
    """
    path = tmp_path / "run.jsonl"
    first = spell(source, {"n": 1}, record=path)
    assert first[:4] == ["said one1", "said two1", "said three1", 3]
    assert spell(source, {"n": 2}, replay=path) == first


def test_doubles_and_pools_are_there_after_a_restart() -> None:
    source = """
        llm.providers.create_mock("m", { "one", "two" }, { cycle = true })
        local p = llm.pool.create("p", { "m" }, "round_robin")
        local first = p:generate("x")
        time.sleep(params.pause)
        return { first, p:generate("x"), llm.generate("x", { model = p }), p.generate ~= nil }
    """

    async def whole() -> Any:
        async with Session(settings=Settings()) as session:
            running = session.start(source, {"pause": 1})
            while not any("llm.pool.generate" in line for line in running.checkpoint().lines):
                await asyncio.sleep(0.01)
            checkpoint = running.checkpoint()
            await running.cancel()
        async with Session(settings=Settings()) as session:
            return (await session.restore(checkpoint).result()).value

    # What was answered is not asked again; the double of the new run begins with its first answer.
    assert asyncio.run(asyncio.wait_for(whole(), 60)) == ["one", "one", "two", True]


# The pages


def block(page: str, name: str) -> str:
    """The block of a page that begins with its name."""
    text = (Path(__file__).parents[1] / "docs" / page).read_text("utf-8")
    return re.search(rf"```\w+\n(?:--|//|#) {re.escape(name)}\n(.*?)```", text, re.DOTALL)[1]  # type: ignore[index]


def test_the_program_of_the_page_holds() -> None:
    exec(compile(block("testing.md", "test_spell.py"), "test_spell.py", "exec"), {})


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("mock.lua", "the first answer\nsunny\nforty-two\nrate_limited\t2.5\n5\n"),
        ("mock.js", "you said hello\n"),
        ("mock.tengo", "you said hello\n"),
    ],
)
def test_the_spells_of_the_testing_page_print_what_they_should(
    name: str, output: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(block("testing.md", name), encoding="utf-8")
    assert Session(settings=Settings()).run_sync(path).output == output


@pytest.mark.parametrize("name", ["pool.lua", "pool.js", "pool.tengo"])
def test_the_spells_of_the_providers_page_run(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(block("providers.md", name), encoding="utf-8")
    local = {"local": ProviderSettings("openai_compatible", "http://127.0.0.1:1/v1")}
    doubles = {"local/first": failing(500), "local/second": scripted("hello", cycle=True)}
    result = Session(settings=Settings(providers=local), models=doubles).run_sync(path)
    lines = result.output.splitlines()
    assert lines[:2] == ["hello", "hello"]
    if name == "pool.lua":
        assert lines[3] == "local/first\t3\t3\tserver_error"


def test_a_function_of_a_test_that_fails_is_told() -> None:
    def wrong(question: Question) -> str:
        assert question.prompt == "y", "not what was wanted"
        return "x"

    error = error_of("llm.generate('x')", models={"m": answering(wrong)}, model="mock/m")
    assert error.code == "mock"
    assert "mock/m: its function has failed: AssertionError: not what was wanted" in str(error)


def test_doubles_made_without_end_are_counted_together() -> None:
    source = """
        for i = 1, 300 do
          local m = llm.providers.create_mock("m" .. i, { "x" })
          llm.generate("x", { model = m })
          llm.providers.remove("m" .. i)
        end
        local found, requests = llm.providers.metrics(), 0
        for _, m in ipairs(found) do requests = requests + m.requests end
        return { #found, requests }
    """
    assert spell(source) == [257, 300]


def test_a_stream_reports_the_tokens_that_its_answer_says() -> None:
    source = """
    local stream = llm.stream("x")
    for _ in stream do end
    local reply = stream:reply()
    local whole = llm.complete({prompt = "x"})
    return {reply.input_tokens, reply.output_tokens, reply.finish_reason, reply.cost, whole.cost}
    """
    double = scripted(Answer(text="one two", input_tokens=1000, output_tokens=500), cycle=True)
    session = Session(models={"openai/*": double}, model="openai/gpt-6-luna")
    sent, received, reason, cost, whole = session.run_sync(source).value
    assert (sent, received, reason) == (1000, 500, "stop")
    assert cost == whole > 0
