"""The wire formats of model providers, from the side of the server.

A `Wire` reads one request of its provider and writes a reply in its form, whole or as events.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from base64 import b64decode
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, NamedTuple

LISTED_MODELS = ("echo", "tools", "tools-all", "json")
CREATED = 1_700_000_000


class ToolCall(NamedTuple):
    """A tool the fake model wants to call."""

    id: str
    name: str
    arguments: dict[str, Any]


class Reply(NamedTuple):
    """What the fake model answers, before it has a form."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    breaks_off: bool = False
    thoughts: str = ""

    def pieces(self) -> Iterator[str]:
        for number, piece in enumerate(re.findall(r"\S+\s*|\s+", self.text)):
            if self.breaks_off and number == 2:
                raise ConnectionAbortedError
            yield piece

    @property
    def tokens(self) -> int:
        return len(self.calls) or len(self.text.split())


class Wire(ABC):
    """One provider's format: reads a request body into its fields, renders replies and errors."""

    user_text: str = ""
    attached: tuple[str, ...] = ()
    tools: list[tuple[str, dict[str, Any]]]
    results: list[str]

    def __init__(self, body: dict[str, Any], model: str, streaming: bool) -> None:
        self.body = body
        self.model = model
        self.streaming = streaming
        self.tools = []
        self.results = []
        self.read()

    @property
    def prompt_tokens(self) -> int:
        return len(self.user_text.split())

    @abstractmethod
    def read(self) -> None:
        """Fill in `user_text`, `attached`, `tools` and `results` from the body."""

    @staticmethod
    @abstractmethod
    def error(status: int, message: str, code: str = "") -> dict[str, Any]: ...

    @abstractmethod
    def not_found(self) -> str: ...

    @abstractmethod
    def plain(self, reply: Reply) -> dict[str, Any]: ...

    @abstractmethod
    def events(self, reply: Reply) -> Iterator[str]:
        """The reply as server-sent events, each complete with its blank line."""


class OpenAIWire(Wire):
    """Chat completions, as OpenAI and compatible servers speak them."""

    def read(self) -> None:
        for message in self.body["messages"]:
            text = _text_of(message.get("content"))
            if message["role"] == "user":
                self.user_text = text or self.user_text
                self.attached = tuple(_openai_parts(message["content"]))
            elif message["role"] == "tool":
                self.results.append(text)
        for tool in self.body.get("tools") or ():
            if tool["type"] == "function":
                function = tool["function"]
                self.tools.append((function["name"], function.get("parameters") or {}))

    @staticmethod
    def error(status: int, message: str, code: str = "") -> dict[str, Any]:
        kind = {401: "invalid_request_error", 429: "requests"}.get(
            status, "server_error" if status >= 500 else "invalid_request_error"
        )
        codes = {401: "invalid_api_key", 429: "rate_limit_exceeded"}
        code = code or codes.get(status, "")
        return {"error": {"message": message, "type": kind, "param": None, "code": code or None}}

    def not_found(self) -> str:
        return f"The model `{self.model}` does not exist or you do not have access to it."

    def usage(self, reply: Reply) -> dict[str, int]:
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": reply.tokens,
            "total_tokens": self.prompt_tokens + reply.tokens,
        }

    def plain(self, reply: Reply) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
        if reply.thoughts:
            message["reasoning_content"] = reply.thoughts
        if reply.calls:
            message["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
                }
                for call in reply.calls
            ]
        finish = "tool_calls" if reply.calls else "stop"
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": CREATED,
            "model": self.model,
            "choices": [{"index": 0, "message": message, "finish_reason": finish}],
            "usage": self.usage(reply),
        }

    def events(self, reply: Reply) -> Iterator[str]:
        def chunk(choices: list[dict[str, Any]], **more: Any) -> str:
            head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": CREATED}
            return _event({**head, "model": self.model, "choices": choices, **more})

        def delta(fields: dict[str, Any], finish: str | None = None) -> str:
            return chunk([{"index": 0, "delta": fields, "finish_reason": finish}])

        yield delta({"role": "assistant", "content": ""})
        if reply.thoughts:
            yield delta({"reasoning_content": reply.thoughts})
        for piece in reply.pieces():
            yield delta({"content": piece})
        for index, call in enumerate(reply.calls):
            named = {"name": call.name, "arguments": ""}
            opened = {"index": index, "id": call.id, "type": "function", "function": named}
            yield delta({"tool_calls": [opened]})
            for part in _halves(json.dumps(call.arguments)):
                yield delta({"tool_calls": [{"index": index, "function": {"arguments": part}}]})
        yield delta({}, "tool_calls" if reply.calls else "stop")
        if (self.body.get("stream_options") or {}).get("include_usage"):
            yield chunk([], usage=self.usage(reply))
        yield "data: [DONE]\n\n"


class AnthropicWire(Wire):
    """The messages endpoint of Anthropic."""

    KINDS: ClassVar[dict[int, str]] = {
        400: "invalid_request_error",
        401: "authentication_error",
        403: "permission_error",
        404: "not_found_error",
        413: "request_too_large",
        429: "rate_limit_error",
        529: "overloaded_error",
    }

    def read(self) -> None:
        for message in self.body["messages"]:
            if message["role"] != "user":
                continue
            self.user_text = _text_of(message["content"]) or self.user_text
            self.attached = tuple(
                _described(block["source"]["media_type"], block["source"]["data"])
                for block in message["content"]
                if not isinstance(block, str) and block.get("source", {}).get("type") == "base64"
            )
            if not isinstance(message["content"], str):
                self.results += [
                    _text_of(block.get("content"))
                    for block in message["content"]
                    if block["type"] == "tool_result"
                ]
        for tool in self.body.get("tools") or ():
            if "input_schema" in tool:
                self.tools.append((tool["name"], tool["input_schema"]))

    @staticmethod
    def error(status: int, message: str, code: str = "") -> dict[str, Any]:
        other = "api_error" if status >= 500 else "invalid_request_error"
        kind = AnthropicWire.KINDS.get(status, other)
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}

    def not_found(self) -> str:
        return f"model: {self.model}"

    def message(self, content: list[Any], stop: str | None, tokens: int) -> dict[str, Any]:
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": content,
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": {"input_tokens": self.prompt_tokens, "output_tokens": tokens},
        }

    def plain(self, reply: Reply) -> dict[str, Any]:
        content: list[dict[str, Any]] = []
        if reply.thoughts:
            content.append({"type": "thinking", "thinking": reply.thoughts, "signature": "s"})
        if reply.text:
            content.append({"type": "text", "text": reply.text})
        content += [
            {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}
            for call in reply.calls
        ]
        return self.message(content, "tool_use" if reply.calls else "end_turn", reply.tokens)

    def events(self, reply: Reply) -> Iterator[str]:
        def event(kind: str, **fields: Any) -> str:
            return f"event: {kind}\n" + _event({"type": kind, **fields})

        yield event("message_start", message=self.message([], None, 1))
        blocks: list[tuple[dict[str, Any], Iterable[dict[str, Any]]]] = []
        if reply.thoughts:
            thought = {"type": "thinking_delta", "thinking": reply.thoughts}
            blocks.append(({"type": "thinking", "thinking": "", "signature": ""}, [thought]))
        if reply.text:
            texts = ({"type": "text_delta", "text": piece} for piece in reply.pieces())
            blocks.append(({"type": "text", "text": ""}, texts))
        for call in reply.calls:
            opened = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
            parts = [
                {"type": "input_json_delta", "partial_json": part}
                for part in _halves(json.dumps(call.arguments))
            ]
            blocks.append((opened, parts))
        for index, (block, deltas) in enumerate(blocks):
            yield event("content_block_start", index=index, content_block=block)
            for delta in deltas:
                yield event("content_block_delta", index=index, delta=delta)
            yield event("content_block_stop", index=index)
        stop = {"stop_reason": "tool_use" if reply.calls else "end_turn", "stop_sequence": None}
        yield event("message_delta", delta=stop, usage={"output_tokens": reply.tokens})
        yield event("message_stop")


class GeminiWire(Wire):
    """generateContent of Gemini."""

    STATUSES: ClassVar[dict[int, str]] = {
        400: "INVALID_ARGUMENT",
        401: "UNAUTHENTICATED",
        403: "PERMISSION_DENIED",
        404: "NOT_FOUND",
        429: "RESOURCE_EXHAUSTED",
        500: "INTERNAL",
        503: "UNAVAILABLE",
        504: "DEADLINE_EXCEEDED",
    }

    def read(self) -> None:
        for content in self.body["contents"]:
            if content.get("role", "user") == "model":
                continue
            parts = content["parts"]
            self.user_text = "".join(part.get("text", "") for part in parts) or self.user_text
            self.attached = tuple(
                _described(held.get("mime_type") or held["mimeType"], held["data"])
                for part in parts
                if (held := part.get("inlineData")) is not None
            )
            for part in parts:
                if "functionResponse" in part:
                    values = part["functionResponse"]["response"]
                    only = next(iter(values.values())) if len(values) == 1 else values
                    self.results.append(only if isinstance(only, str) else json.dumps(only))
        for tool in self.body.get("tools") or ():
            for function in tool.get("functionDeclarations", ()):
                spellings = ("parameters_json_schema", "parametersJsonSchema", "parameters")
                schemas = [function[key] for key in spellings if key in function]
                self.tools.append((function["name"], schemas[0] if schemas else {}))

    @staticmethod
    def error(status: int, message: str, code: str = "") -> dict[str, Any]:
        name = GeminiWire.STATUSES.get(status, "UNKNOWN")
        return {"error": {"code": status, "message": message, "status": name}}

    def not_found(self) -> str:
        return (
            f"models/{self.model} is not found for API version v1beta, "
            "or is not supported for generateContent."
        )

    def answer(self, parts: list[dict[str, Any]], reply: Reply, finish: bool) -> dict[str, Any]:
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
        if finish:
            candidate["finishReason"] = "STOP"
        return {
            "candidates": [candidate],
            "usageMetadata": {
                "promptTokenCount": self.prompt_tokens,
                "candidatesTokenCount": reply.tokens,
                "totalTokenCount": self.prompt_tokens + reply.tokens,
            },
            "modelVersion": self.model,
            "responseId": "response-1",
        }

    def parts(self, texts: Iterable[str], reply: Reply) -> Iterator[dict[str, Any]]:
        if reply.thoughts:
            yield {"text": reply.thoughts, "thought": True}
        for text in texts:
            yield {"text": text}
        for call in reply.calls:
            yield {"functionCall": {"name": call.name, "args": call.arguments}}

    def plain(self, reply: Reply) -> dict[str, Any]:
        texts = [reply.text] if reply.text else []
        return self.answer(list(self.parts(texts, reply)), reply, finish=True)

    def events(self, reply: Reply) -> Iterator[str]:
        for part in self.parts(reply.pieces(), reply):
            yield _event(self.answer([part], reply, finish=False))
        yield _event(self.answer([{"text": ""}], reply, finish=True))


def _event(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data)}\n\n"


def _halves(text: str) -> tuple[str, str]:
    middle = len(text) // 2
    return text[:middle], text[middle:]


def _described(media_type: str, data: str) -> str:
    """What was sent besides text: "image/png of 67 bytes"."""
    return f"{media_type} of {len(b64decode(data, altchars=b'-_' if '-' in data else None))} bytes"


def _openai_parts(content: Any) -> Iterator[str]:
    for part in content if isinstance(content, list) else ():
        if part["type"] in ("image_url", "file"):
            held = part.get("image_url", {}).get("url") or part["file"]["file_data"]
            kind, _, data = held.removeprefix("data:").partition(";base64,")
            yield _described(kind, data)


def vector(text: str, size: int) -> list[float]:
    """What the fake model for vectors makes of a text: how often letters are in it."""
    return [float(sum(ord(letter) % size == place for letter in text)) for place in range(size)]


def _text_of(content: Any) -> str:
    """The text of a message whose content is a string or a list of blocks."""
    if isinstance(content, str):
        return content
    return "".join(block["text"] for block in content or () if block["type"] == "text")


def model_list(anthropic: bool) -> dict[str, Any]:
    """The list of models, in the form of Anthropic or of OpenAI."""
    if anthropic:
        created = "2023-11-14T22:13:20Z"
        models: list[dict[str, Any]] = [
            {"type": "model", "id": name, "display_name": name, "created_at": created}
            for name in LISTED_MODELS
        ]
        ends = {"first_id": LISTED_MODELS[0], "last_id": LISTED_MODELS[-1]}
        return {"data": models, "has_more": False, **ends}
    models = [
        {"id": name, "object": "model", "created": CREATED, "owned_by": "llmspell"}
        for name in LISTED_MODELS
    ]
    return {"object": "list", "data": models}


def example(schema: dict[str, Any], root: dict[str, Any]) -> Any:
    """The smallest value of a JSON schema; `root` is where its $refs point into."""
    if "$ref" in schema:
        target: Any = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        return example(target, root)
    for combined in ("anyOf", "oneOf", "allOf"):
        if schema.get(combined):
            return example(schema[combined][0], root)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    declared = schema.get("type", "object")
    kind = str(declared[0] if isinstance(declared, list) else declared).lower()
    if kind == "object":
        properties = schema.get("properties", {})
        return {
            name: example(properties.get(name, {}), root) for name in schema.get("required", ())
        }
    if kind == "array":
        return [example(schema.get("items", {}), root)] * int(schema.get("minItems", 0))
    if kind == "string":
        return "a" * max(1, int(schema.get("minLength", 1)))
    if kind in ("integer", "number"):
        return max(1, schema.get("minimum", 1))
    return {"boolean": True, "null": None}.get(kind)
