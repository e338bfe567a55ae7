"""Models: which one is meant, each provider over a real socket, errors, budgets, streams."""

from __future__ import annotations

import asyncio
import gc
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from llmspell import typespec
from llmspell.errors import BadArgument, BudgetExceeded, ProviderFailure
from llmspell.host.llm.failures import FAILURES
from llmspell.host.llm.kinds import KINDS
from llmspell.host.llm.messages import Message, ModelInfo, ModelOptions, Reply, TokenUsage
from llmspell.host.llm.modelinfo import ModelFacts
from llmspell.host.llm.models import MAX_BUILT, OFFLINE, OFFLINE_NOTICE, Models
from llmspell.host.llm.providers import MAX_NAME
from llmspell.host.llm.streams import PIECES_AHEAD
from llmspell.host.settings import PROVIDER_KINDS, Environment, ProviderSettings, Settings
from llmspell.limits import Limits, Meter
from llmspell.testing.servers import ModelServer

NOWHERE = "http://127.0.0.1:9"
PROVIDERS = ("openai", "anthropic", "gemini", "ollama", "openrouter", "local")
KEYS = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "ollama": "OLLAMA_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
    "local": "LOCAL_KEY",
}
BASE_URLS = {
    "openai": "OPENAI_BASE_URL",
    "anthropic": "ANTHROPIC_BASE_URL",
    "gemini": "GEMINI_BASE_URL",
    "ollama": "OLLAMA_BASE_URL",
    "openrouter": "OPENROUTER_BASE_URL",
    "local": "base_url of [providers.local]",
}
T = TypeVar("T")
HELLO = [Message("user", "hello there")]


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with ModelServer() as running:
        yield running


def environ(url: str, key: str = "some-key") -> dict[str, str]:
    roots = {BASE_URLS[name]: url for name in ("anthropic", "gemini", "ollama")}
    versioned = {BASE_URLS[name]: url + "/v1" for name in ("openai", "openrouter")}
    return roots | versioned | dict.fromkeys(KEYS.values(), key)


def models_at(url: str, key: str = "some-key", timeout: float = 20.0) -> Models:
    local = ProviderSettings("openai_compatible", url + "/v1", "LOCAL_KEY")
    settings = Settings(providers={"local": local}, timeout=timeout)
    return Models(settings, Environment(environ(url, key)), notify=lambda text: None)


def model_of(provider: str, name: str) -> str:
    return f"{provider}/test/{name}" if provider == "openrouter" else f"{provider}/{name}"


def run(models: Models, use: Callable[[Models], Awaitable[T]]) -> T:
    async def whole() -> T:
        try:
            return await asyncio.wait_for(use(models), 20)
        finally:
            await models.aclose()

    return asyncio.run(whole())


def ask(
    models: Models,
    name: str,
    options: ModelOptions = ModelOptions(),
    meter: Meter | None = None,
    messages: list[Message] = HELLO,
) -> Reply:
    charged = meter or Meter(Limits())
    return run(models, lambda models: models.request(name, messages, options, charged))


def read_stream(
    models: Models, name: str, meter: Meter | None = None, options: ModelOptions = ModelOptions()
) -> tuple[list[str], Reply | None]:
    async def use(models: Models) -> tuple[list[str], Reply | None]:
        stream = models.stream(name, HELLO, options, meter or Meter(Limits()))
        pieces = []
        while (piece := await stream.next()) is not None:
            pieces.append(piece)
        assert await stream.next() is None
        return pieces, stream.reply

    return run(models, use)


async def until(condition: Callable[[], bool], seconds: float = 5) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        await asyncio.sleep(0.005)
    return True


# Which model


def chosen(
    environ: dict[str, str], chosen: str | None = None, model: str | None = None
) -> tuple[str, list[str]]:
    told: list[str] = []
    environ = {"OLLAMA_BASE_URL": NOWHERE, **environ}
    models = Models(Settings(model=model), Environment(environ), chosen, told.append)

    async def use(models: Models) -> str:
        names = await asyncio.gather(models.default(), models.default())
        assert names[0] == names[1] == await models.name(None)
        return names[0]

    return run(models, use), told


def test_default_model_in_order(server: ModelServer) -> None:
    everything = {
        "LLMSPELL_MODEL": "openai/from-variable",
        "OPENAI_API_KEY": "k",
        "ANTHROPIC_API_KEY": "k",
        "GOOGLE_API_KEY": "k",
        "OPENROUTER_API_KEY": "k",
        "OLLAMA_HOST": server.url.removeprefix("http://"),
    }
    del everything["OLLAMA_HOST"]
    everything["OLLAMA_BASE_URL"] = server.url + "/v1"
    assert chosen(everything, "openai/chosen", "openai/file") == ("openai/chosen", [])
    assert chosen(everything, None, "openai/file") == ("openai/from-variable", [])
    del everything["LLMSPELL_MODEL"]
    assert chosen(everything, None, "gemini/file") == ("gemini/file", [])
    for provider, key in list(KEYS.items())[:2]:
        assert chosen(everything) == (f"{provider}/{KINDS[provider].default_model}", [])
        del everything[key]
    assert chosen(everything) == (f"gemini/{KINDS['gemini'].default_model}", [])
    del everything["GOOGLE_API_KEY"]
    assert chosen(everything) == ("ollama/llama3.2:latest", [])
    everything["OLLAMA_BASE_URL"] = NOWHERE
    assert chosen(everything) == (OFFLINE, [OFFLINE_NOTICE])
    assert chosen({}) == (OFFLINE, [OFFLINE_NOTICE])


def test_an_empty_key_is_no_key() -> None:
    assert chosen({"OPENAI_API_KEY": ""}) == (OFFLINE, [OFFLINE_NOTICE])


def test_a_silent_ollama_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        begin = time.perf_counter()
        assert chosen({"OLLAMA_BASE_URL": url})[0] == OFFLINE
        assert time.perf_counter() - begin < 2


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1:1234", "http://127.0.0.1:1234"),
        ("0.0.0.0", "http://localhost:11434"),
        (":99", "http://localhost:99"),
        ("https://ollama.example.com/", "https://ollama.example.com"),
    ],
)
def test_ollama_host_is_read_as_ollama_does(host: str, url: str) -> None:
    models = Models(Settings(), Environment({"OLLAMA_HOST": host}))
    assert models.providers["ollama"].base_url == url


def name_of(wanted: str, url: str = NOWHERE) -> str:
    return run(models_at(url), lambda models: models.name(wanted))


def test_names(server: ModelServer) -> None:
    assert name_of("anthropic") == f"anthropic/{KINDS['anthropic'].default_model}"
    assert name_of("openai/x/y:z") == "openai/x/y:z"
    assert name_of("google/g") == "gemini/g"
    assert name_of("test") == name_of("test/offline") == OFFLINE
    assert name_of("local/m") == "local/m"
    assert name_of("ollama", server.url) == "ollama/llama3.2:latest"


@pytest.mark.parametrize(
    ("wanted", "code", "part"),
    [
        ("opnai/x", "model_unknown", "did you mean openai?"),
        ("gpt-6-luna", "model_unknown", "write PROVIDER/MODEL"),
        ("openai:gpt-6-luna", "model_unknown", "write it as openai/gpt-6-luna"),
        ("test/other", "model_unknown", "providers: openai, anthropic"),
        ("openrouter", "model_unknown", "write openrouter/MODEL"),
        ("local", "model_unknown", "write local/MODEL"),
        ("ollama", "unreachable", "OLLAMA_BASE_URL"),
    ],
)
def test_unknown_names_say_what_to_write(wanted: str, code: str, part: str) -> None:
    with pytest.raises(ProviderFailure) as caught:
        name_of(wanted)
    assert caught.value.code == code
    assert part in caught.value.message


def test_a_name_has_a_bound(server: ModelServer) -> None:
    long = "openai/" + "x" * MAX_NAME
    with pytest.raises(BadArgument, match=f"at most {MAX_NAME} characters, got {len(long)}"):
        name_of(long)
    facts = ModelFacts(models_at(server.url))
    with pytest.raises(BadArgument, match="characters"):
        facts.get("openai/gpt-4o" + "x" * MAX_NAME)
    with pytest.raises(BadArgument, match="characters"):
        facts.estimate(long, 1, 1)


def test_any_number_of_names_may_be_asked_and_few_are_kept(server: ModelServer) -> None:
    async def use(models: Models) -> None:
        first = models.model("local/echo")
        late = asyncio.create_task(
            models.request("local/slow-300", HELLO, ModelOptions(), Meter(Limits()))
        )
        for n in range(MAX_BUILT + 10):
            await asyncio.sleep(0)
            models.model(f"local/say-{n}")
            assert models.model("local/echo") is first, "what is asked again and again is kept"
        assert len(models._built) == MAX_BUILT
        assert "local/slow-300" not in models._built
        assert (await late).content == "slow", "one that is asked just now goes on"

    run(models_at(server.url), use)


def test_the_configuration_file_may_name_every_kind() -> None:
    assert tuple(KINDS) == PROVIDER_KINDS


def test_default_models_are_ones_pydantic_ai_lists() -> None:
    from pydantic_ai.models import known_model_names

    for kind in KINDS.values():
        if kind.default_model:
            assert f"{kind.listed_as}:{kind.default_model}" in known_model_names()


def test_known_models_have_windows_and_prices() -> None:
    models = Models(Settings(), Environment({"ANTHROPIC_API_KEY": "k"}))
    known = {info.name: info for info in asyncio.run(models.known(lambda provider: False))}
    default = known[f"anthropic/{KINDS['anthropic'].default_model}"]
    assert default.default
    assert default.context_window is not None and default.context_window > 100_000
    assert default.input_price is not None and default.output_price is not None
    assert default.input_price < default.output_price
    assert known[OFFLINE] == ModelInfo(OFFLINE, "test", False, None, 0.0, 0.0)
    assert {name.partition("/")[0] for name in known} == {"anthropic", "test"}
    assert sum(info.default for info in known.values()) == 1
    odd = asyncio.run(Models(Settings(model="openai/no-such-model"), Environment({})).known())[0]
    assert odd == ModelInfo("openai/no-such-model", "openai", True)


# Providers


@pytest.mark.parametrize("provider", [p for p in PROVIDERS if p != "openrouter"])
def test_request(server: ModelServer, provider: str) -> None:
    meter = Meter(Limits())
    name = f"{provider}/echo"
    reply = ask(models_at(server.url), name, meter=meter)
    cost = 0.0 if provider == "ollama" else None
    assert reply == Reply("echo: hello there", name, 2, 3, cost, "stop", None, TokenUsage(2, 3, 5))
    assert (meter.usage.input_tokens, meter.usage.output_tokens) == (2, 3)
    assert meter.usage.model_calls == 1
    assert meter.reserved_tokens == 0


@pytest.mark.parametrize("provider", [p for p in PROVIDERS if p != "openrouter"])
def test_stream(server: ModelServer, provider: str) -> None:
    meter = Meter(Limits())
    pieces, reply = read_stream(models_at(server.url), f"{provider}/echo", meter)
    assert "".join(pieces) == "echo: hello there"
    assert reply is not None
    assert (reply.content, reply.finish_reason) == ("echo: hello there", "stop")
    assert (reply.input_tokens, reply.output_tokens) == (2, 3)
    assert (meter.usage.input_tokens, meter.usage.output_tokens) == (2, 3)
    assert meter.reserved_tokens == 0


def test_openrouter_reaches_its_base_url(server: ModelServer) -> None:
    with pytest.raises(ProviderFailure) as caught:
        ask(models_at(server.url), "openrouter/some/model")
    assert caught.value.code == "model_unknown"
    assert "some/model" in caught.value.message
    with pytest.raises(ProviderFailure, match="must be prefixed") as caught:
        ask(models_at(server.url), "openrouter/echo")
    assert caught.value.code == "model_unknown"


def test_roles_and_options_reach_the_provider(server: ModelServer) -> None:
    options = ModelOptions(system="be brief", temperature=0.5, max_tokens=9, stop=["END"], seed=7)
    messages = [
        Message("system", "you are a test"),
        Message("user", "first"),
        Message("assistant", "between"),
        Message("user", "last"),
    ]
    reply = ask(models_at(server.url), "local/echo", options, messages=messages)
    assert reply.content == "echo: last"
    body = server.requests[-1].body
    said = [(message["role"], message["content"]) for message in body["messages"]]
    assert said == [
        ("system", "be brief"),
        ("system", "you are a test"),
        ("user", "first"),
        ("assistant", "between"),
        ("user", "last"),
    ]
    assert (body["temperature"], body["stop"], body["seed"]) == (0.5, ["END"], 7)
    assert 9 in (body.get("max_tokens"), body.get("max_completion_tokens"))


def test_a_temperature_does_not_warn_where_the_model_takes_none(server: ModelServer) -> None:
    with pytest.raises(ProviderFailure) as caught:
        ask(models_at(server.url), "openai/gpt-6-luna", ModelOptions(temperature=0.5))
    assert caught.value.code == "model_unknown"
    assert "temperature" not in server.requests[-1].body


@pytest.mark.parametrize("messages", [[], [Message("assistant", "x")], [Message("system", "x")]])
def test_a_conversation_needs_a_user(messages: list[Message]) -> None:
    with pytest.raises(BadArgument, match="from the user"):
        ask(models_at(NOWHERE), OFFLINE, messages=messages)


@pytest.mark.parametrize("options", [ModelOptions(max_tokens=-1000), ModelOptions(timeout=0)])
def test_options_cannot_go_below_zero(options: ModelOptions) -> None:
    meter = Meter(Limits(tokens=100))
    for call in (
        lambda: ask(models_at(NOWHERE), OFFLINE, options, meter),
        lambda: read_stream(models_at(NOWHERE), OFFLINE, meter, options),
    ):
        with pytest.raises(BadArgument, match="must be above 0"):
            call()
    assert meter.reserved_tokens == 0


# Errors

ERRORS = [
    ("no-such-model", "model_unknown", False, "no-such-model"),
    ("fail-400", "rejected", False, "rejected the request"),
    ("fail-402", "quota", False, "billing"),
    ("rate-limit", "rate_limited", True, "try again in 1 s"),
    ("fail-500", "server_error", True, "failed"),
    ("fail-503", "server_error", True, "unavailable"),
    ("fail-529", "server_error", True, "overloaded"),
    ("malformed", "malformed", False, "cannot be read"),
    ("malformed-shape", "malformed", False, "cannot be read"),
    ("drop", "unreachable", True, "{base_url}"),
    ("stream-break", "unreachable", True, "{base_url}"),
]


def failures(models: Callable[[], Models], name: str) -> Iterator[tuple[ProviderFailure, Meter]]:
    """The same failure of a request and of a stream, with what was charged."""
    for call in (ask, read_stream):
        meter = Meter(Limits(tokens=100_000))
        with pytest.raises(ProviderFailure) as caught:
            call(models(), name, meter=meter)
        yield caught.value, meter


def check_sentence(error: ProviderFailure) -> None:
    assert "\n" not in error.message
    assert len(error.message) < 400
    assert "some-key" not in error.message
    assert "<html" not in error.message
    assert "Traceback" not in error.message


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "ollama", "local"])
@pytest.mark.parametrize(("model", "code", "retryable", "part"), ERRORS)
def test_errors(
    server: ModelServer, provider: str, model: str, code: str, retryable: bool, part: str
) -> None:
    sent = server.count()
    for error, meter in failures(lambda: models_at(server.url), f"{provider}/{model}"):
        check_sentence(error)
        assert (error.code, error.retryable) == (code, retryable), error.message
        assert part.format(base_url=BASE_URLS[provider]) in error.message
        assert provider in error.message
        assert meter.reserved_tokens == 0
        if model not in ("stream-break", "malformed-shape"):  # these were answered
            assert meter.usage.input_tokens == 0
    assert server.count() == sent + 2  # no SDK retried by itself


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "ollama", "local"])
def test_a_refused_key_names_its_variable(server: ModelServer, provider: str) -> None:
    for error, _ in failures(lambda: models_at(server.url, "bad-key"), f"{provider}/echo"):
        check_sentence(error)
        assert error.code == "key_refused"
        assert KEYS[provider] in error.message
        assert "bad-key" not in error.message


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_unreachable_provider_names_its_address(provider: str) -> None:
    for error, _ in failures(lambda: models_at(NOWHERE), model_of(provider, "x")):
        check_sentence(error)
        assert (error.code, error.retryable) == ("unreachable", True)
        assert NOWHERE in error.message
        assert BASE_URLS[provider] in error.message


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "ollama", "local"])
def test_a_slow_provider_times_out(server: ModelServer, provider: str) -> None:
    name = f"{provider}/slow-5000"
    for error, meter in failures(lambda: models_at(server.url, timeout=0.2), name):
        check_sentence(error)
        assert (error.code, error.retryable) == ("timeout", True)
        assert "0.2 s" in error.message
        assert meter.reserved_tokens == 0
        assert meter.usage.input_tokens > 0  # the provider has it, and bills for it
    with pytest.raises(ProviderFailure) as caught:
        ask(models_at(server.url), name, ModelOptions(timeout=0.1))
    assert caught.value.code == "timeout"
    assert "0.1 s" in caught.value.message


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "openrouter", "local"])
def test_a_missing_key_is_named(provider: str) -> None:
    local = ProviderSettings("openai_compatible", NOWHERE, "LOCAL_KEY")
    models = Models(Settings(providers={"local": local}), Environment({}))
    with pytest.raises(ProviderFailure) as caught:
        ask(models, f"{provider}/a/b")
    assert caught.value.code == "key_missing"
    assert f"{provider}/a/b needs {KEYS[provider]}" in caught.value.message
    assert ".env" in caught.value.message


# Addresses that only ./.env names


def models_with(folder: Path, dotenv: dict[str, str], process: dict[str, str]) -> Models:
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in dotenv.items()))
    return Models(Settings(), Environment(process, folder))


@pytest.mark.parametrize("provider", [p for p in PROVIDERS if p != "local"])
def test_a_key_of_the_process_is_not_sent_where_dotenv_says(
    server: ModelServer, provider: str, tmp_path: Path
) -> None:
    """Not even when the file brings a key too: that of the process is the one that counts."""
    before = server.count()
    key, url = KEYS[provider], BASE_URLS[provider]
    for dotenv in ({url: server.url}, {url: server.url, key: "other-key"}):
        models = partial(models_with, tmp_path, dotenv, {key: "some-key"})
        for error, meter in failures(models, model_of(provider, "echo")):
            check_sentence(error)
            assert (error.code, error.retryable) == ("base_url_refused", False)
            assert error.message == (
                f"{model_of(provider, 'echo')} is not asked: {url} is only set in .env, which may "
                f"come from somebody else, and {key} would be sent there; set {url} in the "
                f"environment"
            )
            assert (meter.reserved_tokens, meter.usage.model_calls) == (0, 0)
    assert server.count() == before


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "ollama"])
def test_an_address_goes_with_a_key_from_the_same_place(
    server: ModelServer, provider: str, tmp_path: Path
) -> None:
    variable = BASE_URLS[provider]
    key, url = {KEYS[provider]: "k"}, {variable: environ(server.url)[variable]}
    elsewhere = {variable: NOWHERE}
    for dotenv, process in (
        ({**key, **url}, {}),
        ({}, {**key, **url}),
        (key, url),
        (elsewhere, {**key, **url}),
    ):
        models = models_with(tmp_path, dotenv, process)
        assert ask(models, f"{provider}/echo").content == "echo: hello there"


def test_an_address_that_gets_no_key_may_come_from_dotenv(
    server: ModelServer, tmp_path: Path
) -> None:
    where = {
        "OLLAMA_HOST": server.url.removeprefix("http://"),
        "OPENAI_COMPATIBLE_BASE_URL": server.url + "/v1",
        "OPENAI_BASE_URL": server.url + "/v1",
    }
    process = {"OPENAI_API_KEY": "", "ANTHROPIC_API_KEY": "k"}
    for name in ("ollama/echo", "openai_compatible/echo"):
        assert ask(models_with(tmp_path, where, process), name).content == "echo: hello there"
    with pytest.raises(ProviderFailure) as caught:
        ask(models_with(tmp_path, where, process), "openai/echo")
    assert caught.value.code == "key_missing"
    compatible = {"OPENAI_COMPATIBLE_API_KEY": "k"}
    with pytest.raises(ProviderFailure) as caught:
        ask(models_with(tmp_path, where, compatible), "openai_compatible/echo")
    assert caught.value.code == "base_url_refused"


def test_the_process_decides_between_two_variables(server: ModelServer, tmp_path: Path) -> None:
    process = {"GOOGLE_API_KEY": "k", "GOOGLE_GEMINI_BASE_URL": server.url}
    models = models_with(tmp_path, {"GEMINI_BASE_URL": NOWHERE}, process)
    assert ask(models, "gemini/echo").content == "echo: hello there"
    # The first key that is set is the one that is sent, wherever the others come from.
    both = {"GEMINI_API_KEY": "k", "GEMINI_BASE_URL": server.url}
    models = models_with(tmp_path, both, {"GOOGLE_API_KEY": "some-key"})
    assert ask(models, "gemini/echo").content == "echo: hello there"


def test_an_address_of_the_configuration_is_not_questioned(
    server: ModelServer, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text(f"OPENAI_BASE_URL={NOWHERE}\n")
    given = ProviderSettings("openai", server.url + "/v1", "MY_OWN")
    environment = Environment({"MY_OWN": "k"}, tmp_path)
    reply = ask(Models(Settings(providers={"openai": given}), environment), "openai/echo")
    assert reply.content == "echo: hello there"
    given = ProviderSettings("openai", None, "MY_OWN")
    with pytest.raises(ProviderFailure, match="and MY_OWN would be sent there") as caught:
        ask(Models(Settings(providers={"openai": given}), environment), "openai/echo")
    assert caught.value.code == "base_url_refused"


# What else a provider may lack


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.startswith("anthropic")]:
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, "anthropic", None)
    with pytest.raises(ProviderFailure) as caught:
        ask(models_at(NOWHERE), "anthropic/x")
    assert caught.value.code == "dependency"
    assert "pip install 'llmspell[anthropic]'" in caught.value.message


def test_secrets_in_what_a_provider_says_are_hidden() -> None:
    from pydantic_ai.exceptions import ModelHTTPError

    models = models_at("http://user:pass@127.0.0.1:9", "sk-very-secret")
    body = {"error": {"message": "bad key sk-very-secret\n" + "x" * 500}}
    error = models.map_error(ModelHTTPError(418, "m", body), "openai/m")
    assert error is not None
    assert "sk-very-secret" not in error.message
    assert "status 418: bad key *** x" in error.message
    assert len(error.message) < 300
    page = models.map_error(ModelHTTPError(418, "m", "<html><b>x</b></html>"), "openai/m")
    assert page is not None and page.message == "openai failed with status 418"
    assert "pass" not in models.providers["openai"].shown_url
    assert models.map_error(BudgetExceeded("x"), "openai/m") is None
    assert models.map_error(KeyError("x"), "openai/m") is None


def test_every_exception_of_pydantic_ai_has_a_row() -> None:
    from pydantic_ai.exceptions import ModelAPIError

    def below(cls: type[ModelAPIError]) -> Iterator[type[ModelAPIError]]:
        yield cls
        for sub in cls.__subclasses__():
            yield from below(sub)

    names = {cls.__name__ for cls in below(ModelAPIError)}
    assert {name for name in names if not name.startswith("_")} <= set(FAILURES)


# Budgets


def test_concurrent_requests_never_overspend(server: ModelServer) -> None:
    messages = [Message("user", "word " * 100)]
    options = ModelOptions(max_tokens=50)
    meter = Meter(Limits(tokens=5 * (125 + 50)))

    async def use(models: Models) -> list[Any]:
        calls = (models.request("local/slow-200", messages, options, meter) for _ in range(20))
        return await asyncio.gather(*calls, return_exceptions=True)

    before = server.count()
    answers = run(models_at(server.url), use)
    assert sum(isinstance(answer, Reply) for answer in answers) == 5
    assert sum(isinstance(answer, BudgetExceeded) for answer in answers) == 15
    assert server.count() - before == 5
    assert meter.limits.tokens is not None
    assert meter.usage.input_tokens + meter.usage.output_tokens <= meter.limits.tokens
    assert meter.reserved_tokens == 0


def test_dollars_are_reserved_and_settled() -> None:
    name = f"openai/{KINDS['openai'].default_model}"
    models = models_at(NOWHERE)
    one = models.cost_of(name, 3, 1000)
    assert one is not None and one > 0
    meter = Meter(Limits(cost=one / 2))
    with pytest.raises(BudgetExceeded):
        ask(models, name, ModelOptions(max_tokens=1000), meter)
    assert meter.reserved_cost == 0
    roomy = Meter(Limits(cost=one * 2))
    with pytest.raises(ProviderFailure) as caught:
        ask(models_at(NOWHERE), name, ModelOptions(max_tokens=1000), roomy)
    assert caught.value.code == "unreachable"
    assert (roomy.reserved_cost, roomy.spent_cost, roomy.usage.cost) == (0, 0, 0)


def test_a_stream_over_budget_is_refused_before_it_is_sent(server: ModelServer) -> None:
    before = server.count()
    with pytest.raises(BudgetExceeded):
        read_stream(models_at(server.url), "local/echo", Meter(Limits(tokens=1)))
    assert server.count() == before


def test_a_budget_bounds_the_answer_itself(server: ModelServer) -> None:
    """Without max_tokens of its own an answer gets what is reserved for it, and no more."""
    for limits, options, wanted in (
        (Limits(tokens=500), ModelOptions(), range(400, 500)),
        (Limits(tokens=100_000), ModelOptions(), range(1024, 1025)),
        (Limits(tokens=100_000), ModelOptions(max_tokens=7), range(7, 8)),
    ):
        ask(models_at(server.url), "local/echo", options=options, meter=Meter(limits))
        body = server.requests[-1].body
        assert (body.get("max_tokens") or body.get("max_completion_tokens")) in wanted
    ask(models_at(server.url), "local/echo", meter=Meter(Limits()))
    assert not {"max_tokens", "max_completion_tokens"} & server.requests[-1].body.keys()


def test_an_unknown_price_is_unknown_not_zero(server: ModelServer) -> None:
    meter = Meter(Limits())
    assert ask(models_at(server.url), "local/echo", meter=meter).cost is None
    assert meter.usage.cost is None


def test_a_limit_of_dollars_needs_a_price(server: ModelServer) -> None:
    before = server.count()
    with pytest.raises(ProviderFailure, match="limit tokens instead") as caught:
        ask(models_at(server.url), "local/echo", meter=Meter(Limits(cost=1.0)))
    assert caught.value.code == "price_unknown"
    assert server.count() == before


def test_a_cancelled_request_is_charged_what_was_sent(server: ModelServer) -> None:
    meter = Meter(Limits(tokens=10_000))

    async def use(models: Models) -> None:
        before = server.count()
        call = models.request("local/slow-5000", HELLO, ModelOptions(), meter)
        task = asyncio.create_task(call)
        assert await until(lambda: server.count() > before)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await until(lambda: server.open_connections == 0)

    run(models_at(server.url), use)
    assert meter.reserved_tokens == 0
    assert (meter.usage.input_tokens, meter.usage.output_tokens) == (3, 0)


def test_agents_use_the_same_budget(server: ModelServer) -> None:
    from pydantic_ai import Agent

    async def use(models: Models) -> str:
        agent = Agent(models.metered("local/tools", meter))

        @agent.tool_plain
        async def lookup(q: str) -> str:
            return f"found {q}"

        return (await agent.run("look it up")).output

    meter = Meter(Limits(tokens=100_000))
    assert run(models_at(server.url), use) == "tool said: found a"
    assert meter.usage.model_calls == 2
    assert meter.reserved_tokens == 0
    meter = Meter(Limits(tokens=20))
    with pytest.raises(BudgetExceeded):
        run(models_at(server.url), use)


# Streams


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "ollama", "local"])
def test_closing_a_stream_early_closes_its_connection(
    server: ModelServer, provider: str, caplog: pytest.LogCaptureFixture
) -> None:
    meter = Meter(Limits(tokens=10**9))
    long = [Message("user", "several words " * 100_000)]

    async def use(models: Models) -> None:
        stream = models.stream(f"{provider}/echo", long, ModelOptions(), meter)
        first = await stream.next()
        assert first is not None and first.startswith("echo:")
        await asyncio.sleep(0.05)  # now the reader waits for room
        assert server.open_connections == 1
        await stream.close()
        await stream.close()
        assert await stream.next() is None
        assert stream.reply is None
        assert await until(lambda: server.open_connections == 0)
        assert len(asyncio.all_tasks()) == 2  # this one and the one that waits for it

    run(models_at(server.url), use)
    gc.collect()
    assert not caplog.records  # asyncio logs what goes wrong in a forgotten generator
    assert meter.reserved_tokens == 0
    assert meter.usage.input_tokens >= 200_000
    if provider != "gemini":  # where the server reports the whole usage with the first word
        assert 0 < meter.usage.output_tokens < 100_000


def test_a_slow_reader_holds_the_provider_back_and_gets_all(server: ModelServer) -> None:
    long = [Message("user", "ab " * 3000)]

    async def use(models: Models) -> None:
        stream = models.stream("local/echo", long, ModelOptions(), Meter(Limits()))
        first = await stream.next()
        assert first is not None
        assert await until(lambda: len(stream._pieces) == PIECES_AHEAD)
        await asyncio.sleep(0.02)
        second = await stream.next()
        assert second is not None and len(second.split()) == PIECES_AHEAD
        pieces = [first, second]
        while (piece := await stream.next()) is not None:
            pieces.append(piece)
        assert "".join(pieces).split() == ["echo:", *["ab"] * 3000]
        assert stream.reply is not None and stream.reply.output_tokens == 3001

    run(models_at(server.url), use)


def test_close_before_the_first_piece(server: ModelServer) -> None:
    meter = Meter(Limits(tokens=10_000))

    async def use(models: Models) -> None:
        unstarted = models.stream("local/echo", HELLO, ModelOptions(), meter)
        await unstarted.close()
        assert await unstarted.next() is None
        waiting = models.stream("local/slow-5000", HELLO, ModelOptions(), meter)
        before = server.count()
        piece = asyncio.create_task(waiting.next())
        assert await until(lambda: server.count() > before)
        await waiting.close()
        assert await piece is None
        assert await until(lambda: server.open_connections == 0)

    run(models_at(server.url), use)
    assert meter.reserved_tokens == 0


def test_aclose_ends_streams_that_were_forgotten(server: ModelServer) -> None:
    async def use(models: Models) -> None:
        stream = models.stream("local/slow-5000", HELLO, ModelOptions(), Meter(Limits()))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(stream.next(), 0.1)
        await models.aclose()
        assert await until(lambda: server.open_connections == 0)
        assert (await models.request("local/echo", HELLO, ModelOptions(), Meter(Limits()))).content

    run(models_at(server.url), use)


def test_a_broken_stream_gives_what_came_and_then_the_error(server: ModelServer) -> None:
    meter = Meter(Limits())

    async def use(models: Models) -> list[str]:
        stream = models.stream("local/stream-break", HELLO, ModelOptions(), meter)
        pieces: list[str] = []
        with pytest.raises(ProviderFailure, match="cannot talk to local"):
            while (piece := await stream.next()) is not None:
                pieces.append(piece)
        with pytest.raises(ProviderFailure):
            await stream.next()
        return pieces

    assert "".join(run(models_at(server.url), use)) == "one two "
    assert meter.usage.output_tokens == 2


def test_nothing_stays_open(server: ModelServer) -> None:
    async def use(models: Models) -> None:
        calls = (
            models.request(f"{provider}/echo", HELLO, ModelOptions(), Meter(Limits()))
            for provider in ("openai", "anthropic", "gemini", "ollama", "local")
            for _ in range(3)
        )
        await asyncio.gather(*calls)
        assert server.open_connections > 0
        await models.aclose()
        assert await until(lambda: server.open_connections == 0)

    run(models_at(server.url), use)


# The offline model


def test_offline_is_deterministic_and_depends_on_the_question() -> None:
    messages = [Message("user", "one two three four five six seven eight nine ten 11 12 13")]
    reply = ask(models_at(NOWHERE), OFFLINE, messages=messages)
    wanted = "[offline test model] 13 words about: one two three four five six seven eight nine ten"
    assert reply.content == wanted + " 11 12"
    assert reply == ask(models_at(NOWHERE), OFFLINE, messages=messages)
    assert (reply.model, reply.cost) == (OFFLINE, 0.0)
    assert ask(models_at(NOWHERE), OFFLINE).content != reply.content
    assert reply.input_tokens > 0


def test_offline_streams_word_by_word() -> None:
    from pydantic_ai import Agent

    pieces, reply = read_stream(models_at(NOWHERE), OFFLINE)
    assert "".join(pieces) == "[offline test model] 2 words about: hello there"
    assert reply is not None and reply.content == "".join(pieces)

    async def use(models: Models) -> list[str]:
        async with Agent(models.model(OFFLINE)).run_stream("hi") as result:
            return [piece async for piece in result.stream_text(delta=True, debounce_by=None)]

    assert len(run(models_at(NOWHERE), use)) == 7


def test_offline_calls_each_tool_once_and_repeats_the_results() -> None:
    from pydantic_ai import Agent, Tool

    schema = {
        "type": "object",
        "required": ["city", "days", "unit", "mode", "note", "other"],
        "properties": {
            "city": {"type": "string", "example": "Utrecht"},
            "days": {"type": "integer", "default": 3},
            "unit": {"type": "string", "enum": ["C", "F"]},
            "mode": {"type": "string", "examples": ["fast", "slow"]},
            "note": {"type": ["string", "null"]},
            "other": {"type": "object", "properties": {"default": {"type": "boolean"}}},
        },
        "additionalProperties": True,
    }
    calls: list[dict[str, Any]] = []

    async def weather(**given: Any) -> str:
        calls.append(given)
        return "sunny"

    tool = Tool.from_schema(weather, name="weather", description="", json_schema=schema)

    async def use(models: Models) -> tuple[str, str]:
        agent = Agent(models.metered(OFFLINE, Meter(Limits())), tools=[tool])
        first = await agent.run("how is it?")
        again = await agent.run("and now?", message_history=first.all_messages())
        return first.output, again.output

    assert run(models_at(NOWHERE), use) == ("[offline test model] weather said sunny",) * 2
    given = {"city": "Utrecht", "days": 3, "unit": "C", "mode": "fast", "note": "a", "other": {}}
    assert calls == [given, given]


def test_offline_fills_output_schemas() -> None:
    from pydantic_ai import Agent, NativeOutput, PromptedOutput, StructuredDict

    schema = {
        "type": "object",
        "title": "Person",
        "required": ["name", "age"],
        "properties": {
            "name": {"type": "string", "default": "Ada"},
            "age": {"type": "integer", "minimum": 18},
        },
    }
    wanted = StructuredDict(schema)

    async def use(models: Models) -> list[Any]:
        model = models.model(OFFLINE)
        kinds: list[Any] = [wanted, NativeOutput(wanted), PromptedOutput(wanted)]
        return [(await Agent(model, output_type=kind).run("who?")).output for kind in kinds]

    outputs = run(models_at(NOWHERE), use)
    assert outputs == [{"name": "Ada", "age": 18}] * 3


# What scripts see


def test_records_can_cross() -> None:
    for record in (Message, ModelOptions, Reply, ModelInfo):
        assert typespec.read(record).children()


def test_pydantic_ai_is_imported_only_when_a_model_is_used() -> None:
    program = (
        "import asyncio, sys; from llmspell.host.llm.models import Models;"
        "from llmspell.host.settings import Environment, Settings;"
        "m = Models(Settings(), Environment({'OPENAI_API_KEY': 'k'}));"
        "asyncio.run(m.default()); asyncio.run(m.aclose());"
        "sys.exit(bool({'pydantic_ai', 'pydantic', 'openai', 'httpx2'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=30).returncode == 0
