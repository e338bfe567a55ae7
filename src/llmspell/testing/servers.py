"""Fake model providers and web pages on a loopback socket.

What this unit provides: `ModelServer`, one HTTP server which speaks the OpenAI, Anthropic and
Gemini wire formats, answers Ollama's model list, and serves plain web pages. Real clients talk to
it over a real socket; nothing is patched and nothing beyond the standard library is imported.

    with ModelServer() as server:
        client = AsyncOpenAI(base_url=server.url + "/v1", api_key="x", max_retries=0)

The model name chooses the behaviour, so one server serves many tests:

    echo               "echo: <last user text>"; a stream carries one word per chunk
    tools, tools-all   calls the first tool, or every tool, with its required arguments; once the
                       conversation has tool results: "tool said: <results>"; no tools: as echo
    json               the text `JSON_REPLY`
    thinking           as echo, after reasoning of its own: "thought about <last user text>"
    attached           what the last user message has besides text: "image/png of 67 bytes"
    embed              not a chat: vectors that tell how often letters are in a text, 8 numbers each
    data               a value of the schema that is asked for, or a call of the first tool
    data-wrong-<n>     the same, after n answers that fit no schema with required fields
    data-no-schema     the same; 400 for a request that has a schema for its answer
    data-words         `JSON_REPLY` among words; 400 for a request that has such a schema, or tools
    slow-<ms>          waits (a minute at most), then "slow"
    drip-<ms>          "one two three four", in a stream with that pause before each word
    fail-<status>      that status (400 to 599) with the provider's error body
    rate-limit         429 with Retry-After: 1, every time
    rate-once          429 with Retry-After: 0 the first time on this server, then as echo
    busy-<seconds>     429 with that Retry-After the first time on this server, then as echo
    away-<seconds>     the same with 503
    fail-first-<n>     500 the first n times on this server, then as echo
    say-<text>         that text
    malformed          200 with a body which is not JSON
    malformed-shape    200 with JSON which lacks what clients need
    drop               closes the connection without a reply
    stream-break       breaks off after two chunks of text (not streaming: inside the body)
    anything else      404 with the provider's "model not found" body

The API key "bad-key" gets a 401; any other key, or none, is accepted. Reported usage is the
number of words in the last user text and in the reply (for tool calls: the number of calls).

Web pages: /page /text /json /status/{code} /redirect?to= /slow?seconds= /bytes?n= /gzip-bomb?n=
/drop, and /echo, which takes any method.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from array import array
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from socketserver import TCPServer
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from .pages import PAGE, PageHandler
from .wires import (
    AnthropicWire,
    GeminiWire,
    OpenAIWire,
    Reply,
    ToolCall,
    Wire,
    example,
    model_list,
    vector,
)

__all__ = ["JSON_REPLY", "PAGE", "ModelServer", "Recorded"]

JSON_REPLY = '{"name": "spell", "count": 2}'

LONGEST_PAUSE = 60.0


class Recorded(NamedTuple):
    """One request as it arrived: path with its query, lowercase header names, JSON or raw body."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


class ModelServer:
    """The server, listening from construction until `close()` or the end of the `with` block."""

    def __init__(self) -> None:
        self._listener = _Listener()
        self.url = f"http://127.0.0.1:{self._listener.server_address[1]}"
        self._accepting = threading.Thread(
            target=self._listener.serve_forever, args=(0.02,), name="ModelServer", daemon=True
        )
        self._accepting.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def requests(self) -> list[Recorded]:
        """Every request so far, in order of arrival; a copy."""
        with self._listener.lock:
            return list(self._listener.recorded)

    def count(self, path_prefix: str = "") -> int:
        """How many requests had a path starting so."""
        return sum(request.path.startswith(path_prefix) for request in self.requests)

    @property
    def open_connections(self) -> int:
        """How many client connections are open now, idle ones included."""
        with self._listener.lock:
            return len(self._listener.connections)

    def close(self) -> None:
        """Cut every connection and wait until no thread or socket is left. Safe to repeat."""
        self._listener.shutdown()
        self._accepting.join()
        self._listener.server_close()
        self._listener.cut_connections()


class _Listener(TCPServer):
    request_queue_size = 1024

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.recorded: list[Recorded] = []
        self.connections: set[socket.socket] = set()
        self.threads: list[threading.Thread] = []
        self.rate_limited_once = False
        self.asked: Counter[str] = Counter()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(
            target=self._serve_connection, args=(request, client_address), daemon=True
        )
        with self.lock:
            self.connections.add(request)
        # only the accepting thread gets here, and close() reads the list after that has ended
        self.threads = [other for other in self.threads if other.is_alive()]
        self.threads.append(thread)
        thread.start()

    def _serve_connection(self, request: socket.socket, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except ConnectionError:
            pass  # the client left, or the behaviour asked for was to cut it off
        except Exception:  # noqa: BLE001 - reported, and the server goes on
            self.handle_error(request, client_address)
        finally:
            self.shutdown_request(request)
            with self.lock:
                self.connections.remove(request)

    def cut_connections(self) -> None:
        self.closing.set()
        with self.lock:
            connections = list(self.connections)
        for connection in connections:
            with suppress(OSError):  # its own thread may have closed it by now
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()

    def asked_before(self, model: str) -> int:
        """How often a model was asked on this server before now."""
        with self.lock:
            before = self.asked[model]
            self.asked[model] += 1
        return before

    def first_rate_once(self) -> bool:
        with self.lock:
            first, self.rate_limited_once = not self.rate_limited_once, True
        return first


class _Handler(PageHandler):
    server: _Listener
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are separate writes

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def serve(self) -> None:
        parts = urlsplit(self.path)
        self.query = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.raw = self.read_body()
        self.record()
        segments = [unquote(segment) for segment in parts.path.split("/")[1:]]
        provider: type[Wire] = OpenAIWire
        if segments[0] == "v1beta":
            provider = GeminiWire
        elif segments == ["v1", "messages"]:
            provider = AnthropicWire
        elif segments == ["v1", "models"] and "anthropic-version" in self.headers:
            provider = AnthropicWire  # both list their models at the same address
        if segments[0] in ("v1", "v1beta") and self.has_bad_key():
            self.reply_json(provider.error(401, "Incorrect API key provided."), 401)
            return
        match self.command, segments:
            case "POST", ["v1", "chat", "completions"] | ["v1", "messages"]:
                self.serve_model(provider)
            case "POST", ["v1beta", "models", target]:
                model, _, action = target.rpartition(":")
                if action == "batchEmbedContents":
                    self.serve_gemini_vectors()
                elif action in ("generateContent", "streamGenerateContent"):
                    self.serve_model(provider, model, action == "streamGenerateContent")
                else:
                    self.reply_json(provider.error(404, "no such method"), 404)
            case "POST", ["v1", "embeddings"]:
                self.serve_vectors()
            case "GET", ["v1", "models"] | ["v1beta", "models"]:
                self.reply_json(model_list(anthropic=provider is AnthropicWire))
            case "GET", ["api", "tags"]:
                self.reply_json({"models": [{"name": "llama3.2:latest"}]})
            case _, ["echo"]:
                body = self.raw.decode(errors="replace")
                shown = {"method": self.command, "headers": self.lower_headers()}
                self.reply_json({**shown, "body": body, "query": self.query})
            case "GET" | "HEAD", _:
                try:
                    self.serve_page(segments)
                except (KeyError, ValueError) as error:
                    self.reply_text(f"bad request: {error}", status=400)
            case _:
                self.reply_text("no such page", status=404)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = serve

    def read_body(self) -> bytes:
        if "transfer-encoding" in self.headers:
            self.send_error(411)
            raise ConnectionAbortedError
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionAbortedError
        return body

    def lower_headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

    def record(self) -> None:
        body: Any = self.raw
        if "json" in self.headers.get("content-type", ""):
            with suppress(ValueError):
                body = json.loads(self.raw)
        with self.server.lock:
            self.server.recorded.append(
                Recorded(self.command, self.path, self.lower_headers(), body)
            )

    def has_bad_key(self) -> bool:
        bearer = self.headers.get("authorization", "").removeprefix("Bearer ")
        keys = (self.headers.get("x-api-key"), self.headers.get("x-goog-api-key"))
        return "bad-key" in (bearer, *keys, self.query.get("key"))

    def pause(self, seconds: float) -> None:
        """Wait; end the connection at once if the client leaves or the server closes."""
        seconds = max(0.001, min(seconds, LONGEST_PAUSE))
        end = time.monotonic() + seconds
        self.connection.settimeout(seconds)
        try:
            if not self.connection.recv(1, socket.MSG_PEEK):
                raise ConnectionAbortedError
            self.server.closing.wait(end - time.monotonic())  # the client sent its next request
        except TimeoutError:
            pass
        finally:
            self.connection.settimeout(None)

    # Models

    def serve_model(
        self, provider: type[Wire], model: str | None = None, streaming: bool | None = None
    ) -> None:
        try:
            body = json.loads(self.raw)
            wire = provider(
                body,
                str(body["model"]) if model is None else model,
                bool(body.get("stream")) if streaming is None else streaming,
            )
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            self.reply_json(provider.error(400, f"bad request: {error!r}"), 400)
            return
        name = wire.model
        if name == "drop":
            raise ConnectionAbortedError
        before = self.server.asked_before(name)
        if (busy := re.fullmatch(r"(busy|away)-(\d+)", name)) and not before:
            status = 429 if busy[1] == "busy" else 503
            self.reply_json(wire.error(status, "Slow down."), status, {"Retry-After": busy[2]})
            return
        if (failing := re.fullmatch(r"fail-first-(\d+)", name)) and before < int(failing[1]):
            self.reply_json(wire.error(500, f"Failure {before + 1}."), 500)
            return
        formed = "response_format" in wire.body or (name == "data-words" and wire.tools)
        if name in ("data-words", "data-no-schema") and formed:
            self.reply_json(wire.error(400, "This model takes no such parameter."), 400)
            return
        if name == "rate-limit" or (name == "rate-once" and self.server.first_rate_once()):
            retry_after = {"Retry-After": "1" if name == "rate-limit" else "0"}
            self.reply_json(wire.error(429, "Rate limit reached."), 429, retry_after)
        elif failing := re.fullmatch(r"fail-([45]\d\d)", name):
            status = int(failing[1])
            self.reply_json(wire.error(status, f"This model fails with {status}."), status)
        elif name in ("malformed", "malformed-shape"):
            broken = "<html>not JSON" if name == "malformed" else '{"unexpected": true}'
            if wire.streaming:
                # Anthropic's client passes over events without a name it knows
                named = "event: message_start\n" if provider is AnthropicWire else ""
                self.reply_events([f"{named}data: {broken}\n\n"])
            else:
                self.reply(broken.encode(), "application/json")
        elif reply := self.reply_of(wire):
            if wire.streaming:
                self.reply_events(self.paced(wire.events(reply), name))
            elif reply.breaks_off:
                self.reply_cut_off(json.dumps(wire.plain(reply)).encode(), "application/json")
            else:
                self.reply_json(wire.plain(reply))
        else:
            self.reply_json(wire.error(404, wire.not_found(), "model_not_found"), 404)

    def paced(self, events: Iterable[str], name: str) -> Iterator[str]:
        drip = re.fullmatch(r"drip-(\d+)", name)
        for event in events:
            if drip and any(word in event for word in ("one", "two", "three", "four")):
                self.pause(int(drip[1]) / 1000)
            yield event

    def reply_of(self, wire: Wire) -> Reply | None:
        name = wire.model
        if name in ("tools", "tools-all"):
            if wire.results:
                return Reply("tool said: " + ", ".join(wire.results))
            offered = wire.tools if name == "tools-all" else wire.tools[:1]
            if offered:
                return Reply(
                    calls=tuple(
                        ToolCall(f"call_{number}", tool, example(schema, schema))
                        for number, (tool, schema) in enumerate(offered, 1)
                    )
                )
        if name.startswith("say-"):
            return Reply(name[4:].replace("-", " "))
        if re.fullmatch(r"drip-\d+", name):
            return Reply("one two three four")
        if re.fullmatch(r"echo|rate-once|tools|tools-all|(busy|away)-\d+|fail-first-\d+", name):
            return Reply(f"echo: {wire.user_text}")
        if name == "json":
            return Reply(JSON_REPLY)
        if name == "thinking":
            return Reply(f"echo: {wire.user_text}", thoughts=f"thought about {wire.user_text}")
        if name == "attached":
            return Reply(", ".join(wire.attached) or "nothing")
        if name == "data-words":
            return Reply(f"Here it is:\n```json\n{JSON_REPLY}\n```\nAnything else?")
        if data := re.fullmatch(r"data(?:-wrong-(\d+)|-no-schema)?", name):
            return self.reply_with_data(wire, int(data[1] or 0))
        if name == "stream-break":
            return Reply("one two three four", breaks_off=True)
        if slow := re.fullmatch(r"slow-(\d+)", name):
            self.pause(int(slow[1]) / 1000)
            return Reply("slow")
        return None

    def reply_with_data(self, wire: Wire, wrong: int) -> Reply:
        asked = ((wire.body.get("response_format") or {}).get("json_schema") or {}).get("schema")
        tool, schema = wire.tools[0] if wire.tools else ("", asked or {})
        answered = sum(said["role"] == "assistant" for said in wire.body.get("messages") or ())
        value = {"wrong": answered + 1} if answered < wrong else example(schema, schema)
        return Reply(calls=(ToolCall("call_1", tool, value),)) if tool else Reply(json.dumps(value))

    def serve_vectors(self) -> None:
        body = json.loads(self.raw)
        name, texts = body["model"], body["input"]
        texts = [texts] if isinstance(texts, str) else texts
        if failing := re.fullmatch(r"fail-([45]\d\d)", name):
            status = int(failing[1])
            said = OpenAIWire.error(status, f"This model fails with {status}.")
            self.reply_json(said, status)
            return
        if name == "malformed-shape":
            self.reply_json({"data": [{"embedding": None}]})
            return
        if slow := re.fullmatch(r"slow-(\d+)", name):
            self.pause(int(slow[1]) / 1000)
        vectors: list[Any] = [vector(text, body.get("dimensions") or 8) for text in texts]
        if name == "embed-one":
            del vectors[1:]
        if body.get("encoding_format") == "base64":
            vectors = [b64encode(array("f", one).tobytes()).decode() for one in vectors]
        data = [
            {"object": "embedding", "index": index, "embedding": one}
            for index, one in enumerate(vectors)
        ]
        words = sum(len(text.split()) for text in texts)
        words = -1000 if name == "embed-below" else words
        usage = {"prompt_tokens": words, "total_tokens": words}
        self.reply_json({"object": "list", "data": data, "model": name, "usage": usage})

    def serve_gemini_vectors(self) -> None:
        asked = json.loads(self.raw)["requests"]
        texts = ["".join(p.get("text", "") for p in one["content"]["parts"]) for one in asked]
        self.reply_json({"embeddings": [{"values": vector(text, 8)} for text in texts]})
