"""The fake servers, driven by the real model clients and a real HTTP client."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.exceptions import (
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelHTTPError,
    ModelNotFoundError,
    ModelRateLimitError,
    ModelServerError,
    ModelUnavailableError,
    UnexpectedModelBehavior,
)
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.openai import OpenAIProvider

from llmspell.testing.servers import JSON_REPLY, PAGE, ModelServer

Web = httpx2.Client
# No proxy from the environment, and no certificate store, which is slow to load and unused here.
DIRECT: dict[str, Any] = {"trust_env": False, "verify": False}


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as running:
        yield running


@pytest.fixture
def web(server: ModelServer) -> Iterator[Web]:
    with httpx2.Client(base_url=server.url, timeout=10, **DIRECT) as client:
        yield client


class Place(BaseModel):
    city: str
    zip_code: int
    country: str = "NL"


def echo_place(place: Place, times: int, loud: bool, note: str = "none") -> str:
    return f"{place.city}{place.zip_code}{place.country} {times} {loud} {note}"


def second_tool(ratio: float) -> str:
    return f"ratio {ratio}"


class Client:
    """One provider's client, pointed at a server; every run gets its own connections."""

    def __init__(self, provider: str) -> None:
        self.provider = provider
        self.path = {
            "openai": "/v1/chat/completions",
            "anthropic": "/v1/messages",
            "google": "/v1beta/models/",
        }[provider]

    async def with_model(
        self, server: ModelServer, name: str, key: str, use: Callable[[Model[Any]], Any]
    ) -> Any:
        async with httpx2.AsyncClient(timeout=20, **DIRECT) as http:
            model: Model[Any]
            if self.provider == "openai":
                openai = AsyncOpenAI(
                    base_url=server.url + "/v1", api_key=key, max_retries=0, http_client=http
                )
                model = OpenAIChatModel(name, provider=OpenAIProvider(openai_client=openai))
            elif self.provider == "anthropic":
                anthropic = AsyncAnthropic(
                    base_url=server.url, api_key=key, max_retries=0, http_client=http
                )
                model = AnthropicModel(name, provider=AnthropicProvider(anthropic_client=anthropic))
            else:
                model = GoogleModel(
                    name,
                    provider=GoogleProvider(base_url=server.url, api_key=key, http_client=http),
                )
            return await use(model)

    def run(
        self, server: ModelServer, name: str, tools: tuple[Any, ...] = (), key: str = "x"
    ) -> Any:
        async def use(model: Model[Any]) -> Any:
            return await Agent(model, tools=tools).run("hi there")

        return asyncio.run(self.with_model(server, name, key, use))

    def stream(
        self, server: ModelServer, name: str, tools: tuple[Any, ...] = ()
    ) -> tuple[list[str], Any]:
        pieces: list[str] = []

        async def use(model: Model[Any]) -> Any:
            async with Agent(model, tools=tools).run_stream("hi there") as result:
                async for piece in result.stream_text(delta=True, debounce_by=None):
                    pieces.append(piece)
                return result.usage

        return pieces, asyncio.run(self.with_model(server, name, "x", use))


@pytest.fixture(params=["openai", "anthropic", "google"])
def client(request: pytest.FixtureRequest) -> Client:
    return Client(request.param)


def eventually(condition: Callable[[], bool], seconds: float = 5) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


# Models


def test_plain_reply_and_usage(server: ModelServer, client: Client) -> None:
    result = client.run(server, "echo")
    assert result.output == "echo: hi there"
    assert (result.usage.input_tokens, result.usage.output_tokens) == (2, 3)
    assert server.count(client.path) == server.count() == 1


def test_stream_carries_one_word_per_chunk(server: ModelServer, client: Client) -> None:
    pieces, usage = client.stream(server, "echo")
    assert pieces == ["echo: ", "hi ", "there"]
    assert (usage.input_tokens, usage.output_tokens) == (2, 3)


TOOL_SAID = "tool said: a1NL 1 True none"


def test_tools_calls_the_first_with_required_arguments(server: ModelServer, client: Client) -> None:
    result = client.run(server, "tools", (echo_place, second_tool))
    assert result.output == TOOL_SAID
    assert result.usage.tool_calls == 1
    assert server.count() == 2


def test_tools_all_calls_every_tool(server: ModelServer, client: Client) -> None:
    result = client.run(server, "tools-all", (echo_place, second_tool))
    assert result.output == f"{TOOL_SAID}, ratio 1.0"
    assert result.usage.tool_calls == 2


def test_tools_streaming(server: ModelServer, client: Client) -> None:
    pieces, usage = client.stream(server, "tools-all", (echo_place, second_tool))
    assert "".join(pieces) == f"{TOOL_SAID}, ratio 1.0"
    assert len(pieces) == 8
    assert usage.tool_calls == 2


def test_tools_without_any_offered_is_echo(server: ModelServer, client: Client) -> None:
    assert client.run(server, "tools").output == "echo: hi there"


def test_json_reply(server: ModelServer, client: Client) -> None:
    assert client.run(server, "json").output == JSON_REPLY
    assert json.loads(JSON_REPLY)["name"] == "spell"


def test_slow_waits_as_long_as_named(server: ModelServer, client: Client) -> None:
    begin = time.monotonic()
    assert client.run(server, "slow-300").output == "slow"
    assert time.monotonic() - begin >= 0.3


@pytest.mark.parametrize(
    ("name", "error", "status"),
    [
        ("fail-401", ModelAuthenticationError, 401),
        ("fail-404", ModelNotFoundError, 404),
        ("fail-500", ModelServerError, 500),
        ("fail-503", ModelUnavailableError, 503),
        ("no-such-model", ModelNotFoundError, 404),
    ],
)
def test_failing_status(
    server: ModelServer, client: Client, name: str, error: type[Exception], status: int
) -> None:
    for call in (client.run, client.stream):
        with pytest.raises(error) as caught:
            call(server, name)
        assert isinstance(caught.value, ModelHTTPError)
        assert caught.value.status_code == status
        assert isinstance(caught.value.body, dict)
    assert server.count() == 2


def test_rate_limit_says_when_to_retry(server: ModelServer, client: Client) -> None:
    for _ in range(2):
        with pytest.raises(ModelRateLimitError) as caught:
            client.run(server, "rate-limit")
        assert caught.value.retry_after == 1


def test_rate_once_is_once_per_server(server: ModelServer, client: Client) -> None:
    with pytest.raises(ModelRateLimitError) as caught:
        client.run(server, "rate-once")
    assert caught.value.retry_after == 0
    assert client.run(server, "rate-once").output == "echo: hi there"
    with ModelServer() as other, pytest.raises(ModelRateLimitError):
        client.run(other, "rate-once")


def test_malformed_body(server: ModelServer, client: Client) -> None:
    with pytest.raises(ModelAPIError, match="JSON"):
        client.run(server, "malformed")


def test_malformed_stream(server: ModelServer, client: Client) -> None:
    with pytest.raises(ModelAPIError, match="JSON"):
        client.stream(server, "malformed")


def test_malformed_shape(server: ModelServer, client: Client) -> None:
    # Anthropic's client lets a TypeError through here; the others report the model.
    expected = TypeError if client.provider == "anthropic" else UnexpectedModelBehavior
    with pytest.raises(expected):
        client.run(server, "malformed-shape")
    with pytest.raises(UnexpectedModelBehavior):
        client.stream(server, "malformed-shape")


def test_drop_is_a_connection_error(server: ModelServer, client: Client) -> None:
    with pytest.raises(ModelConnectionError):
        client.run(server, "drop")
    assert server.count(client.path) == 1


def test_stream_break(server: ModelServer, client: Client) -> None:
    pieces: list[str] = []

    async def use(model: Model[Any]) -> None:
        async with Agent(model).run_stream("hi") as result:
            async for piece in result.stream_text(delta=True, debounce_by=None):
                pieces.append(piece)

    with pytest.raises(ModelConnectionError):
        asyncio.run(client.with_model(server, "stream-break", "x", use))
    assert pieces == ["one ", "two "]
    with pytest.raises(ModelConnectionError):
        client.run(server, "stream-break")


def test_bad_key(server: ModelServer, client: Client) -> None:
    with pytest.raises(ModelAuthenticationError) as caught:
        client.run(server, "echo", key="bad-key")
    assert isinstance(caught.value, ModelHTTPError)
    assert caught.value.status_code == 401


def test_model_lists(server: ModelServer) -> None:
    async def listed() -> tuple[list[str], list[str]]:
        async with (
            httpx2.AsyncClient(**DIRECT) as http,
            AsyncOpenAI(base_url=server.url + "/v1", api_key="x", http_client=http) as openai,
            AsyncAnthropic(base_url=server.url, api_key="x", http_client=http) as anthropic,
        ):
            return (
                [model.id async for model in openai.models.list()],
                [model.display_name async for model in anthropic.models.list()],
            )

    names = ["echo", "tools", "tools-all", "json"]
    assert asyncio.run(listed()) == (names, names)


def test_ollama_models(web: Web) -> None:
    assert web.get("/api/tags").json() == {"models": [{"name": "llama3.2:latest"}]}


def chat(**more: Any) -> dict[str, Any]:
    return {"model": "echo", "messages": [{"role": "user", "content": "a b"}], **more}


def test_openai_stream_usage_only_when_asked(web: Web) -> None:
    def events(**more: Any) -> list[str]:
        reply = web.post("/v1/chat/completions", json=chat(stream=True, **more))
        assert reply.headers["content-type"] == "text/event-stream"
        return [line[6:] for line in reply.text.split("\n\n") if line]

    silent = events()
    assert silent[-1] == "[DONE]"
    assert not any("usage" in event for event in silent)
    asked = events(stream_options={"include_usage": True})
    assert json.loads(asked[-2])["usage"] == {
        "prompt_tokens": 2,
        "completion_tokens": 3,
        "total_tokens": 5,
    }


def test_last_user_text_of_several_and_in_parts(web: Web) -> None:
    messages = [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "between"},
        {"role": "user", "content": [{"type": "text", "text": "last"}]},
    ]
    reply = web.post("/v1/chat/completions", json=chat(messages=messages)).json()
    assert reply["choices"][0]["message"]["content"] == "echo: last"


def test_arguments_fit_the_schema(web: Web) -> None:
    schema = {
        "type": "object",
        "$defs": {"Kind": {"enum": ["red", "blue"]}},
        "properties": {
            "kind": {"$ref": "#/$defs/Kind"},
            "either": {"anyOf": [{"type": "integer", "minimum": 5}, {"type": "null"}]},
            "pair": {"type": "array", "items": {"type": "string"}, "minItems": 2},
            "tags": {"type": "array", "items": {"type": "string"}},
            "fixed": {"const": 7},
            "long": {"type": ["string", "null"], "minLength": 3},
            "optional": {"type": "string"},
        },
        "required": ["kind", "either", "pair", "tags", "fixed", "long"],
    }
    tool = {"type": "function", "function": {"name": "t", "parameters": schema}}
    reply = web.post("/v1/chat/completions", json=chat(model="tools", tools=[tool])).json()
    assert reply["choices"][0]["finish_reason"] == "tool_calls"
    call = reply["choices"][0]["message"]["tool_calls"][0]["function"]
    assert call["name"] == "t"
    assert json.loads(call["arguments"]) == {
        "kind": "red",
        "either": 5,
        "pair": ["a", "a"],
        "tags": [],
        "fixed": 7,
        "long": "aaa",
    }


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/v1/chat/completions", ("error", "type")),
        ("/v1/messages", ("error", "type")),
        ("/v1beta/models/echo:generateContent", ("error", "status")),
    ],
)
@pytest.mark.parametrize("body", ["{not json", "[]", '{"model": "echo"}'])
def test_bad_requests_get_the_providers_error(
    web: Web, path: str, where: tuple[str, str], body: str
) -> None:
    reply = web.post(path, content=body)
    assert reply.status_code == 400
    assert reply.json()[where[0]][where[1]].lower() in ("invalid_request_error", "invalid_argument")


# Web pages


def test_page(web: Web) -> None:
    reply = web.get("/page")
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert reply.text == PAGE
    for part in ("<title>", "<nav>", "<script>", "<h1>", "<h2>", '<a href="', "<li>"):
        assert part in reply.text


def test_text_and_json(web: Web) -> None:
    assert web.get("/text").text == "plain text\n"
    assert web.get("/json").json() == {"name": "spell", "items": [1, 2, 3]}


def test_head_has_no_body(web: Web) -> None:
    for path in ("/page", "/bytes?n=10", "/gzip-bomb?n=10"):
        reply = web.head(path)
        assert (reply.status_code, reply.content) == (200, b"")
    assert web.get("/text").text == "plain text\n"


@pytest.mark.parametrize("status", [200, 204, 304, 404, 418, 500, 599])
def test_status(web: Web, status: int) -> None:
    assert web.get(f"/status/{status}").status_code == status
    assert web.get("/text").text == "plain text\n"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nothing", 404),
        ("/", 404),
        ("/status/100", 400),
        ("/status/x", 400),
        ("/bytes?n=-1", 400),
        ("/bytes", 400),
        ("/redirect", 400),
        ("/redirect?to=a%0d%0ab", 400),
        ("/slow?seconds=x", 400),
    ],
)
def test_bad_page_requests(web: Web, path: str, status: int) -> None:
    assert web.get(path).status_code == status


def test_redirect(server: ModelServer, web: Web) -> None:
    path = httpx2.URL("/redirect", params={"to": server.url + "/json?a=b"})
    reply = web.get(path)
    assert reply.status_code == 302
    assert reply.headers["location"] == server.url + "/json?a=b"
    assert web.get(path, follow_redirects=True).json()["name"] == "spell"
    assert server.count("/redirect") == 2
    assert server.count("/json") == 1


def test_slow_page(web: Web) -> None:
    begin = time.monotonic()
    assert web.get("/slow?seconds=0.2").text == "slow"
    assert time.monotonic() - begin >= 0.2
    with pytest.raises(httpx2.ReadTimeout):
        web.get("/slow?seconds=20", timeout=0.1)


def test_bytes(web: Web) -> None:
    reply = web.get("/bytes?n=200000")
    assert reply.headers["content-length"] == "200000"
    assert reply.content == b"x" * 200_000
    assert web.get("/bytes?n=0").content == b""


def test_gzip_bomb_is_small_on_the_wire(web: Web) -> None:
    with web.stream("GET", "/gzip-bomb?n=5000000") as reply:
        assert reply.headers["content-encoding"] == "gzip"
        packed = b"".join(reply.iter_raw())
    assert len(packed) < 10_000
    assert gzip.decompress(packed) == bytes(5_000_000)
    assert len(web.get("/gzip-bomb?n=5000000").content) == 5_000_000


def test_echo(server: ModelServer, web: Web) -> None:
    reply = web.post("/echo?a=1&b=x%20y", content="héllo", headers={"X-Thing": "Yes"}).json()
    assert (reply["method"], reply["body"]) == ("POST", "héllo")
    assert reply["query"] == {"a": "1", "b": "x y"}
    assert reply["headers"]["x-thing"] == "Yes"
    assert web.put("/echo").json()["method"] == "PUT"


def test_drop_page(web: Web) -> None:
    with pytest.raises(httpx2.RemoteProtocolError):
        web.get("/drop")


# The server itself


def test_requests_are_recorded(server: ModelServer, web: Web) -> None:
    web.post("/echo?q=1", json={"a": [1]}, headers={"X-Thing": "Yes"})
    web.post("/echo", content=b"\xff")
    web.post("/echo", content=b"{", headers={"Content-Type": "application/json"})
    web.get("/text")
    first, *others = server.requests
    assert (first.method, first.path, first.body) == ("POST", "/echo?q=1", {"a": [1]})
    assert first.headers["x-thing"] == "Yes"
    assert [other.body for other in others] == [b"\xff", b"{", b""]
    server.requests.clear()
    assert (server.count(), server.count("/echo"), server.count("/none")) == (4, 3, 0)


def test_open_connections(server: ModelServer) -> None:
    assert server.open_connections == 0
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))):
        assert eventually(lambda: server.open_connections == 1)
    assert eventually(lambda: server.open_connections == 0)


def test_a_client_which_leaves_is_noticed_at_once(
    server: ModelServer, capfd: pytest.CaptureFixture[str]
) -> None:
    async def leave() -> None:
        async with httpx2.AsyncClient(base_url=server.url, **DIRECT) as http:
            waiting = asyncio.create_task(http.get("/slow?seconds=30"))
            while not server.count("/slow"):
                await asyncio.sleep(0.005)
            assert server.open_connections == 1
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            async with http.stream("GET", "/bytes?n=500000000") as reply:
                assert reply.status_code == 200

    asyncio.run(leave())
    assert eventually(lambda: server.open_connections == 0)
    server.close()
    assert capfd.readouterr() == ("", "")


def test_close_interrupts_and_leaves_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    before = set(threading.enumerate())
    server = ModelServer()
    outcomes: list[Exception] = []

    def wait_for(path: str) -> None:
        try:
            httpx2.get(server.url + path, timeout=30, **DIRECT)
        except httpx2.HTTPError as error:
            outcomes.append(error)

    paths = ("/slow?seconds=30", "/slow?seconds=30", "/gzip-bomb?n=900000000000")
    waiting = [threading.Thread(target=wait_for, args=(path,)) for path in paths[:2]]
    for thread in waiting:
        thread.start()
    idle = httpx2.Client(base_url=server.url, **DIRECT)
    idle.get("/text")
    unread = httpx2.Client(base_url=server.url, **DIRECT)
    reading = unread.stream("GET", paths[2])
    reading.__enter__()
    assert eventually(lambda: server.count("/slow") == 2 and server.open_connections == 4)

    begin = time.monotonic()
    server.close()
    assert time.monotonic() - begin < 5
    assert server.open_connections == 0
    for thread in waiting:
        thread.join(5)
    assert set(threading.enumerate()) == before
    assert [type(error) for error in outcomes] == [httpx2.RemoteProtocolError] * 2
    unread.close()
    idle.close()
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(server.url + "/text", **DIRECT)
    server.close()
    assert server.count() == 4
    assert capfd.readouterr() == ("", "")


def test_many_clients_at_once(server: ModelServer) -> None:
    async def many() -> list[str]:
        async with httpx2.AsyncClient(base_url=server.url, timeout=20, **DIRECT) as http:
            replies = await asyncio.gather(
                *(
                    http.post(
                        "/v1/chat/completions",
                        json=chat(messages=[{"role": "user", "content": str(number)}]),
                    )
                    for number in range(100)
                )
            )
        return [reply.json()["choices"][0]["message"]["content"] for reply in replies]

    assert asyncio.run(many()) == [f"echo: {number}" for number in range(100)]
    assert server.count() == 100
    assert eventually(lambda: server.open_connections == 0)
