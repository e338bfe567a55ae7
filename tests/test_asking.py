"""What `llm` offers besides one request: chats, batches, vectors, files, and what bounds them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import PATIENCE
from test_models import models_at, run

import llmspell
from llmspell import Checkpoint, Session
from llmspell.errors import (
    BadArgument,
    BudgetExceeded,
    HostFailure,
    MemoryLimit,
    ProviderFailure,
)
from llmspell.host.llm import attachments
from llmspell.host.llm import models as models_module
from llmspell.host.llm.batches import asked_all
from llmspell.host.llm.charges import PICTURE, size_of, tokens_in
from llmspell.host.llm.chats import Chat
from llmspell.host.llm.conversations import conversation_of, settings_of
from llmspell.host.llm.embeddings import MAX_DIMENSIONS, MAX_TEXTS, embed, offline_vector
from llmspell.host.llm.messages import (
    BatchOptions,
    ChatOptions,
    ContentPart,
    EmbedOptions,
    Message,
    ModelOptions,
    Reply,
)
from llmspell.host.llm.models import Models
from llmspell.host.settings import Environment, ProviderSettings, Settings
from llmspell.limits import Limits, Meter
from llmspell.testing.servers import ModelServer
from llmspell.values import MAX_NODES

PROVIDERS = ("openai", "anthropic", "gemini", "ollama", "local")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with ModelServer() as running:
        yield running


def session(server: ModelServer, **more: Any) -> Session:
    local = ProviderSettings("openai_compatible", server.url + "/v1")
    given: dict[str, Any] = {"settings": Settings(providers={"local": local})}
    return Session(**{**given, "model": "local/echo", **more})


def ran(server: ModelServer, source: str, params: Any = None, **more: Any) -> llmspell.Result:
    async def go() -> llmspell.Result:
        async with session(server, **more) as here:
            return await asyncio.wait_for(here.attempt(source, params), PATIENCE)

    return asyncio.run(go())


def asked(
    server: ModelServer, name: str, messages: list[Message], options: ModelOptions = ModelOptions()
) -> Reply:
    meter = Meter(Limits())
    return run(models_at(server.url), lambda m: m.request(name, messages, options, meter))


# Reasoning, options, images and files reach every provider.


@pytest.mark.parametrize("provider", PROVIDERS)
def test_reasoning_is_kept_apart(server: ModelServer, provider: str) -> None:
    said = [Message("user", "one two")]
    reply = asked(server, f"{provider}/thinking", said)
    assert (reply.content, reply.reasoning) == ("echo: one two", "thought about one two")

    async def read(models: Models) -> tuple[str, Reply | None]:
        stream = models.stream(f"{provider}/thinking", said, ModelOptions(), Meter(Limits()))
        text = ""
        while (piece := await stream.next()) is not None:
            text += piece
        return text, stream.reply

    text, whole = run(models_at(server.url), read)
    assert text == "echo: one two"
    assert whole is not None and whole.reasoning == "thought about one two"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_images_and_files_reach_the_provider(server: ModelServer, provider: str) -> None:
    parts = [
        ContentPart("text", text="look"),
        ContentPart("image", data=PNG, media_type="image/png"),
        ContentPart("file", data=b"%PDF-1.4", media_type="application/pdf"),
    ]
    reply = asked(server, f"{provider}/attached", [Message("user", parts)])
    assert reply.content == "image/png of 28 bytes, application/pdf of 8 bytes"
    alone = asked(server, f"{provider}/attached", [Message("user", parts[1:2])])
    assert alone.content == "image/png of 28 bytes"


def test_every_option_reaches_the_provider(server: ModelServer) -> None:
    options = ModelOptions(
        temperature=0.5, max_tokens=10, top_p=0.9, presence_penalty=0.1, frequency_penalty=0.2,
        stop=["END"], seed=7, provider_options={"min_p": 0.05, "user": "somebody"},
    )  # fmt: skip
    asked(server, "local/echo", [Message("user", "x")], options)
    body = server.requests[-1].body
    wanted = {"temperature": 0.5, "max_tokens": 10, "top_p": 0.9, "presence_penalty": 0.1,
              "frequency_penalty": 0.2, "stop": ["END"], "seed": 7, "min_p": 0.05,
              "user": "somebody"}  # fmt: skip
    sent = {**body, "max_tokens": body.get("max_tokens") or body.get("max_completion_tokens")}
    assert wanted.items() <= sent.items()
    assert body["model"] == "echo"


@pytest.mark.parametrize(
    ("provider", "wanted"),
    [
        ("openai", {"stop": ["END"], "seed": 7, "reasoning_effort": "low"}),
        ("anthropic", {"stop_sequences": ["END"], "max_tokens": 2000, "temperature": 0.5}),
        ("gemini", {"stopSequences": ["END"], "seed": 7, "temperature": 0.5}),
    ],
)
def test_stops_and_seeds_reach_each_provider_by_its_own_names(
    server: ModelServer, provider: str, wanted: dict[str, Any]
) -> None:
    # Only a model that is known to reason is told how long it may.
    name = "gpt-6-luna" if provider == "openai" else "echo"
    options = ModelOptions(
        stop=["END"], seed=7, max_tokens=2000,
        temperature=None if provider == "openai" else 0.5,
        reasoning="low" if provider == "openai" else None,
    )  # fmt: skip
    with suppress(ProviderFailure):  # there is no such model here; what was sent is what counts
        asked(server, f"{provider}/{name}", [Message("user", "x")], options)
    body = server.requests[-1].body
    assert wanted.items() <= {**body, **body.get("generationConfig", {})}.items()


@pytest.mark.parametrize("name", ["model", "Models", "max_tokens", "maxTokens", "n", "tools"])
def test_provider_options_cannot_get_round_grants_and_budgets(name: str) -> None:
    with pytest.raises(BadArgument, match="is not for scripts to set"):
        settings_of(ModelOptions(provider_options={name: 1}))


def test_provider_options_count_as_what_is_sent(server: ModelServer) -> None:
    before = server.count()
    for call in ("generate(%s)", "stream(%s):next()"):
        asked = call % "'x', {provider_options = {user = ('y'):rep(10000)}}"
        result = ran(server, f"llm.{asked}", limits={"tokens": 1000})
        assert isinstance(result.error, BudgetExceeded)
    assert server.count() == before


def test_gemini_takes_no_provider_options(server: ModelServer) -> None:
    options = ModelOptions(provider_options={"min_p": 0.05})
    before = server.count()
    with pytest.raises(ProviderFailure) as caught:
        asked(server, "gemini/echo", [Message("user", "x")], options)
    assert caught.value.code == "unsupported"
    assert server.count() == before


def test_only_the_user_sends_files() -> None:
    part = ContentPart("image", data=PNG, media_type="image/png")
    said = [Message("assistant", [part]), Message("user", "x")]
    with pytest.raises(BadArgument, match="only the user"):
        conversation_of(said, ModelOptions())


def test_the_kind_of_a_file_is_found_out() -> None:
    told = attachments.media_type_of
    assert told(PNG) == told(PNG, "a.jpg") == "image/png"
    assert told(b"\xff\xd8\xff\xe0") == "image/jpeg"
    assert told(b"RIFF1234WEBP") == "image/webp"
    assert told(b"words", "a/b.txt") == "text/plain"
    assert told(b"words") is None


def test_a_picture_is_reserved_as_one_and_a_file_by_its_size() -> None:
    def size(part: ContentPart) -> int:
        return size_of(conversation_of([Message("user", [part])], ModelOptions()))

    assert size(ContentPart("image", data=bytes(10**6), media_type="image/png")) == PICTURE
    assert size(ContentPart("file", data=bytes(4000), media_type="application/pdf")) == 1000
    assert size(ContentPart("text", text="x" * 40)) == 10


def test_files_of_a_request_have_a_bound(server: ModelServer, tmp_path: Path) -> None:
    (tmp_path / "big.pdf").write_bytes(b"%PDF-" + bytes(5 * 1024 * 1024))
    source = """
        local part = {type = "file", path = "big.pdf"}
        local function ask(parts)
          local messages = {{role = "user", content = parts}}
          local ok, e = pcall(llm.complete, {model = "local/attached", messages = messages})
          return ok, e.content or e.message
        end
        return {ask({part}), {ask({part, part})}}
    """
    result = ran(server, source, folder=tmp_path)
    assert result.error is None
    assert result.value[0] is True
    assert result.value[1] == [False, "images and files of one request are larger than "
                               f"{attachments.MAX_ATTACHED} bytes"]  # fmt: skip


def test_files_on_their_way_at_once_have_a_bound(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models_module, "MAX_CARRIED", 50)
    said = [Message("user", [ContentPart("image", data=PNG, media_type="image/png")])]

    async def use(models: Models) -> list[Any]:
        ask = (
            models.request("local/slow-100", said, ModelOptions(), Meter(Limits())) for _ in "ab"
        )
        return await asyncio.gather(*ask, return_exceptions=True)

    first, second = run(models_at(server.url), use)
    assert isinstance(first, Reply)
    assert isinstance(second, HostFailure) and second.code == "too_large" and second.retryable
    assert isinstance(run(models_at(server.url), use)[0], Reply)


def test_files_that_are_read_for_requests_have_the_same_bound(
    server: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models_module, "MAX_CARRIED", 100)
    (tmp_path / "a.pdf").write_bytes(b"%PDF-" + bytes(60))
    source = """
        local function ask()
          local parts = {{type = "file", path = "a.pdf"}, {type = "file", url = params.url}}
          local messages = {{role = "user", content = parts}}
          local ok, e = pcall(llm.complete, {model = "local/attached", messages = messages})
          return ok or e.code
        end
        return parallel({ask, ask, ask})
    """
    before = server.count("/slow")
    url = server.url + "/slow?seconds=1"
    result = ran(server, source, {"url": url}, folder=tmp_path, allow=["net:127.0.0.1"])
    assert result.error is None
    assert sorted(map(str, result.value)) == ["True", "too_large", "too_large"]
    assert server.count("/slow") == before + 1, "the others were refused before they fetched more"


def test_streams_with_files_that_nobody_reads_count_as_memory(
    server: ModelServer, tmp_path: Path
) -> None:
    (tmp_path / "big.pdf").write_bytes(b"%PDF-" + bytes(4 * 1024 * 1024))
    source = """
        local messages = {{role = "user", content = {{type = "file", path = "big.pdf"}}}}
        local kept = {}
        for i = 1, params.n do
          local s = llm.stream(messages, {model = "local/attached"})
          if params.keep then kept[i] = s else s:close() end
        end
        return "done"
    """
    given: dict[str, Any] = {"folder": tmp_path, "limits": {"memory": "64MB"}}
    result = ran(server, source, {"n": 50, "keep": True}, **given)
    assert isinstance(result.error, MemoryLimit)
    result = ran(server, source, {"n": 50, "keep": False}, **given)
    assert (result.error, result.value) == (None, "done")


def test_what_a_closed_stream_was_asked_is_no_memory_of_the_run(server: ModelServer) -> None:
    source = """
        local text = ("x"):rep(100000)
        for i = 1, 1000 do
          local s = llm.stream(text)
          s:close()
          s = nil
          pcall(llm.stream, text, { model = "nobody/x" })
          if i % 50 == 0 then collectgarbage() end
        end
        return "done"
    """
    result = ran(server, source, limits={"memory": "64MB"})
    assert (result.error, result.value) == (None, "done")


# Vectors.


def test_others_have_their_turns_while_a_long_text_becomes_a_vector() -> None:
    turns = 0

    async def go() -> None:
        async def others() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        source = "return #llm.embed(('x y '):rep(200000), {model = 'test/offline'}).vectors"
        async with Session(model="test/offline") as session:
            await session.run("llm.embed('x', {model = 'test/offline'})")  # imports
            beside = asyncio.create_task(others())
            before = turns
            assert (await session.run(source)).value == 1
            assert turns - before > 20
            beside.cancel()

    asyncio.run(go())


def embedded(server: ModelServer, name: str, texts: list[str], meter: Meter) -> Any:
    return run(models_at(server.url), lambda m: embed(m, name, texts, EmbedOptions(), meter))


@pytest.mark.parametrize("provider", ["openai", "gemini", "ollama", "local"])
def test_vectors_come_over_http_and_are_charged(server: ModelServer, provider: str) -> None:
    meter = Meter(Limits())
    made = embedded(server, f"{provider}/embed", ["ab cd", "x"], meter)
    assert [len(vector) for vector in made.vectors] == [8, 8]
    assert made.vectors[1][ord("x") % 8] == 1.0
    assert meter.usage.input_tokens == made.input_tokens > 0
    assert meter.usage.model_calls == 1
    assert (meter.reserved_tokens, meter.usage.output_tokens) == (0, 0)


def test_a_server_of_vectors_cannot_give_tokens_back(server: ModelServer) -> None:
    meter = Meter(Limits(tokens=100))
    with pytest.raises(ProviderFailure):
        embedded(server, "local/embed-below", ["x" * 40], meter)
    assert (meter.usage.input_tokens, meter.reserved_tokens) == (0, 0)


def test_vectors_have_a_price(server: ModelServer) -> None:
    meter = Meter(Limits(cost=1.0))
    made = embedded(server, "openai/text-embedding-3-small", ["x " * 1000], meter)
    assert made.cost is not None and 0 < made.cost < 0.001
    assert meter.spent_cost == pytest.approx(made.cost)


def test_vectors_over_budget_are_refused_before_they_are_asked_for(server: ModelServer) -> None:
    before = server.count()
    with pytest.raises(BudgetExceeded):
        embedded(server, "local/embed", ["x" * 400], Meter(Limits(tokens=50)))
    with pytest.raises(ProviderFailure, match="price of local/embed is unknown"):
        embedded(server, "local/embed", ["x"], Meter(Limits(cost=1)))
    assert server.count() == before


def test_anthropic_makes_no_vectors(server: ModelServer) -> None:
    with pytest.raises(ProviderFailure) as caught:
        embedded(server, "anthropic/claude", ["x"], Meter(Limits()))
    assert caught.value.code == "unsupported"


def test_vectors_that_cannot_be_read_are_a_failure_of_the_provider(server: ModelServer) -> None:
    for provider in ("openai", "local", "ollama"):
        meter = Meter(Limits())
        with pytest.raises(ProviderFailure) as caught:
            embedded(server, f"{provider}/malformed-shape", ["x"], meter)
        assert caught.value.code == "malformed"
        assert meter.reserved_tokens == meter.usage.model_calls == 0


def test_vectors_that_come_too_late_are_a_failure_not_cancelled(server: ModelServer) -> None:
    meter = Meter(Limits())

    async def use(models: Models) -> None:
        with pytest.raises(ProviderFailure, match=r"within 0\.1 s"):
            await embed(models, "local/slow-5000", ["x"], EmbedOptions(timeout=0.1), meter)
        tally = models.tallies.of(meter)["local"]
        assert (tally.failures, tally.cancelled, tally.last_error) == (1, 0, "timeout")

    run(models_at(server.url), use)
    assert meter.usage.input_tokens == 1, "what was sent is charged"


def test_as_many_vectors_as_may_be_asked_for_may_cross() -> None:
    assert MAX_TEXTS * MAX_DIMENSIONS < MAX_NODES


def test_vectors_offline_are_near_for_words_in_common() -> None:
    def near(one: str, other: str) -> float:
        pairs = zip(offline_vector(one, 256), offline_vector(other, 256), strict=True)
        return sum(a * b for a, b in pairs)

    assert near("The cat sat", "the cat sat") == pytest.approx(1)
    assert near("the cat sat", "a cat sat") > near("the cat sat", "stocks fell")


# Budgets.


@pytest.mark.parametrize("call", [
    'llm.complete({prompt = ("x"):rep(400)})',
    'llm.batch({("x"):rep(400)})',
    'llm.chat():send(("x"):rep(400))',
    'llm.embed(("x"):rep(400), {model = "local/embed"})',
    'llm.stream(("x"):rep(400)):each({})',
])  # fmt: skip
def test_a_request_over_budget_is_never_sent(server: ModelServer, call: str) -> None:
    before = server.count()
    result = ran(server, f"pcall(function() {call} end) return 'went on'", limits={"tokens": 50})
    assert isinstance(result.error, BudgetExceeded)
    assert server.count() == before


def test_a_batch_asks_no_more_at_the_same_time_than_it_says(server: ModelServer) -> None:
    source = """
        local options = {model = "local/slow-100", concurrency = 2}
        return #llm.batch({"a", "b", "c", "d", "e", "f"}, options)
    """
    most = 0

    async def go() -> Any:
        nonlocal most
        async with session(server) as here:
            await here.run("llm.generate('x')")  # opens what stays open
            task = asyncio.create_task(here.run(source))
            while not task.done():
                most = max(most, server.open_connections)
                await asyncio.sleep(0.01)
            return (await task).value

    assert asyncio.run(go()) == 6
    assert most <= 3  # with the one that stays open


# An Ollama.


def test_replies_of_a_batch_count_as_memory_until_it_ends() -> None:
    meter = Meter(Limits(memory=10_000))

    async def invoke(name: str, request: Any) -> Any:
        return {"content": "x" * 3000, "reasoning": "y" * 1000}

    ctx: Any = SimpleNamespace(meter=meter, invoke=invoke)
    assert len(asyncio.run(asked_all(ctx, ["a", "b"], BatchOptions()))) == 2
    assert meter.held_bytes == 0
    with pytest.raises(MemoryLimit):
        asyncio.run(asked_all(ctx, ["a", "b", "c"], BatchOptions()))


def test_models_of_an_ollama_that_answers_are_listed(server: ModelServer) -> None:
    environment = Environment({"OLLAMA_BASE_URL": server.url})

    async def listed(may: Callable[[str], bool]) -> list[str]:
        models = Models(Settings(), environment, "test/offline", lambda text: None)
        return [info.name for info in await models.known(may)]

    assert asyncio.run(listed(lambda name: True)) == ["ollama/llama3.2:latest", "test/offline"]
    before = server.count("/api/tags")
    assert asyncio.run(listed(lambda name: False)) == ["test/offline"]
    assert server.count("/api/tags") == before


def test_an_ollama_is_not_asked_without_a_grant(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_BASE_URL", server.url)
    options = {"model": "test/offline", "settings": Settings()}
    source = "local out = {} for i, m in ipairs(llm.models()) do out[i] = m.name end return out"
    result = ran(server, source, level="untrusted", allow=["llm:test/*"], **options)
    assert result.value == ["test/offline"]
    result = ran(server, source, level="untrusted", allow=["llm:ollama/*"], **options)
    assert result.value == ["ollama/llama3.2:latest", "test/offline"]


# What a run keeps.


def test_what_a_chat_keeps_counts_as_memory_and_is_given_back() -> None:
    meter, said = Meter(Limits(memory=10_000)), [Message("user", "x" * 5000)]
    ctx: Any = SimpleNamespace(meter=meter)
    for _ in range(5):
        chat = Chat(ctx, ChatOptions(messages=said))
        assert meter.held_bytes > 5000
        asyncio.run(chat.close())
        assert meter.held_bytes == 0
    first = Chat(ctx, ChatOptions(messages=said))
    with pytest.raises(MemoryLimit):
        Chat(ctx, ChatOptions(messages=said))
    first.clear()
    assert meter.held_bytes < 10_000


def test_chats_that_are_kept_end_the_run_at_its_memory(server: ModelServer) -> None:
    source = """
        local text = ("x"):rep(100000)
        local said = {{role = "user", content = text}, {role = "assistant", content = "y"}}
        local kept = {}
        for i = 1, 1000 do kept[i] = llm.chat({messages = said}) end
        return "kept all"
    """
    result = ran(server, source, limits={"memory": "64MB"})
    assert result.error is not None and result.error.code == "memory"


CHAT = """
    local c, pieces = llm.chat({system = "Be short."}), 0
    local first = c:send("one").content
    local tell = {on_content = function(piece) pieces = pieces + 1 print("piece") end}
    local ok, told = pcall(c.stream, c, "two three", tell)
    if not ok then
      assert(told.code == "interrupted" and told.retryable)
      told = c:stream("two three", tell)
    end
    llm.set_defaults({temperature = 0.5})
    local each = 0
    llm.stream("four"):each({on_content = function() each = each + 1 print("each") end})
    local third = c:send("five").content
    local defaults = llm.get_defaults()
    return {first, told.content, pieces > 0, each > 0, third, #c:history(), defaults.temperature}
"""
SAID = ["echo: one", "echo: two three", True, True, "echo: five", 6, 0.5]


def test_a_recorded_chat_is_replayed_without_a_model(server: ModelServer, tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    first = ran(server, CHAT, record=path)
    assert (first.error, first.value) == (None, SAID)
    before = server.count()
    again = ran(server, CHAT, replay=path)
    assert (again.error, again.value, again.output) == (None, SAID, first.output)
    assert server.count() == before


@pytest.mark.parametrize("isolation", ["none", "process"])
def test_a_restored_chat_has_what_was_said_and_asks_nothing_twice(
    server: ModelServer, isolation: str
) -> None:
    async def go(use: Callable[[Session], Awaitable[Any]]) -> Any:
        async with session(server, isolation=isolation) as here:
            return await asyncio.wait_for(use(here), PATIENCE)

    async def whole(here: Session) -> Any:
        running = here.start(CHAT, None)
        return await running.attempt(), running.checkpoint().lines

    before = server.count()
    first, lines = asyncio.run(go(whole))
    assert (first.error, first.value) == (None, SAID)
    asked_first = server.count() - before
    assert asked_first == 4
    sends = [n for n, line in enumerate(lines, 1) if json.loads(line).get("call") == "chat.send"]
    for size in {*sends, sends[0] + 3, len(lines)}:
        before = server.count()

        async def restore(here: Session, kept: list[str] = lines[:size]) -> Any:
            return await here.restore(Checkpoint(kept)).result()

        again = asyncio.run(go(restore))
        assert again.value == SAID, f"from line {size}"
        assert server.count() - before < asked_first


# The page.


@pytest.mark.parametrize("fence", ["lua", "javascript", "tengo"])
def test_the_examples_of_the_page_run(server: ModelServer, fence: str) -> None:
    page = (Path(__file__).parents[1] / "docs" / "models.md").read_text(encoding="utf-8")
    blocks = re.findall(rf"^```{fence}\n(.*?)^```$", page, re.M | re.S)
    assert blocks
    outputs = [ran(server, block, engine=ENGINE_OF[fence]) for block in blocks]
    assert [result.error for result in outputs] == [None] * len(blocks)
    assert outputs[0].output == "echo: Count to three.\necho: Count to three.\nlocal/echo\ttrue\n"
    if fence == "lua":
        assert outputs[1].output == "echo: Hello\necho: And now?\n4\t4\n"


ENGINE_OF = {"lua": "lua54", "javascript": "javascript", "tengo": "tengo"}


def test_half_of_a_character_is_counted() -> None:
    assert tokens_in("half \ud83d end") == 3
