"""This unit turns what is said to a model, and how, into what pydantic-ai takes.

conversation_of(messages, options)   turns of the user's side and of the model's
settings_of(options)                 how to ask, as a request has it
said_in(request)                     the messages of a Request
estimate(said)                       a guess at their tokens
attached_bytes(messages)             how much of them is images and files
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...errors import BadArgument
from .charges import PICTURE, tokens_in
from .messages import ContentPart, Message, ModelOptions, Request

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage, UserContent
    from pydantic_ai.settings import ModelSettings

    from ..agents.agent import AgentOptions

OWN_OPTIONS = frozenset(
    {"model", "models", "route", "provider", "messages", "prompt", "input", "contents", "system",
     "systeminstruction", "instructions", "stream", "streamoptions", "maxtokens", "maxoutputtokens",
     "maxcompletiontokens", "n", "bestof", "candidatecount", "generationconfig", "tools",
     "functions", "plugins", "websearchoptions", "mcpservers", "servicetier", "background",
     "container", "cachedcontent", "modalities", "audio", "fallbacks", "transforms", "preset",
     "prediction", "documents", "chattemplate", "searchparameters"}
)  # fmt: skip
"""What no provider option may be, without case and underscores: it chooses the model, the messages
or the length of the answer, which grants and budgets are about, or has the provider do other work
that it bills."""


RANGES = {
    "temperature": (0, 2), "top_p": (0, 1), "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
}  # fmt: skip
"""Option -> the least and the most it may be."""


def said_in(request: Request) -> list[Message]:
    """The messages of a request. Raises BadArgument unless it has either form of them."""
    if (request.prompt is None) == (request.messages is None):
        raise BadArgument("a request must have either prompt or messages")
    if request.prompt is not None:
        return [Message("user", request.prompt)]
    return request.messages or []


def unfit(options: object) -> str:
    """The first option that no provider takes or no script may set, and why; "" for none."""
    for name in ("max_tokens", "timeout", "top_k"):
        value = getattr(options, name, None)
        if value is not None and not value > 0:
            return f"{name} must be above 0, got {value}"
    for name, (least, most) in RANGES.items():
        value = getattr(options, name, None)
        if value is not None and not least <= value <= most:
            return f"{name} must be from {least} to {most}, got {value:g}"
    empty = [i for i, text in enumerate(getattr(options, "stop", None) or (), 1) if not text]
    if empty:
        return f"stop[{empty[0]}] must not be empty"
    for name in getattr(options, "provider_options", None) or ():
        if name.replace("_", "").lower() in OWN_OPTIONS:
            return f"provider_options.{name} is not for scripts to set"
    return ""


def settings_of(options: ModelOptions | AgentOptions) -> ModelSettings:
    """How to ask, as pydantic-ai has it. Raises BadArgument."""
    if told := unfit(options):
        raise BadArgument(f"options.{told}")
    settings: Any = {
        setting: value
        for setting, value in (
            ("temperature", options.temperature),
            ("max_tokens", options.max_tokens),
            ("top_p", options.top_p),
            ("top_k", options.top_k),
            ("presence_penalty", options.presence_penalty),
            ("frequency_penalty", options.frequency_penalty),
            ("stop_sequences", options.stop),
            ("seed", options.seed),
            ("timeout", options.timeout),
        )
        if value is not None
    }
    if options.reasoning is not None:
        settings["thinking"] = options.reasoning != "off" and options.reasoning
    if options.provider_options:
        settings["extra_body"] = options.provider_options
    asked: ModelSettings = settings
    return asked


def conversation_of(messages: Sequence[Message], options: ModelOptions) -> list[ModelMessage]:
    """The messages as pydantic-ai wants them: turns of the user's side and of the model's.

    Files must have been read. Raises BadArgument for what is no conversation.
    """
    from pydantic_ai.messages import (
        ModelRequest,
        ModelRequestPart,
        ModelResponse,
        SystemPromptPart,
        TextPart,
        UserPromptPart,
    )

    if not messages or messages[-1].role == "assistant":
        raise BadArgument("the last of the messages must come from the user")
    if not any(message.role == "user" for message in messages):
        raise BadArgument("one of the messages must come from the user")
    turns: list[ModelMessage] = []
    side: list[ModelRequestPart] = [SystemPromptPart(options.system)] if options.system else []
    for index, message in enumerate(messages, 1):
        content = message.content
        if message.role == "user":
            said = content if isinstance(content, str) else [*map(_user_content, content)]
            side.append(UserPromptPart(said))
            continue
        text = content if isinstance(content, str) else _text_of(content, f"messages[{index}]")
        if message.role == "assistant":
            if side:
                turns.append(ModelRequest(side))
                side = []
            turns.append(ModelResponse([TextPart(text)]))
        else:
            side.append(SystemPromptPart(text))
    return [*turns, ModelRequest(side)]


def estimate(said: str | Sequence[Message]) -> int:
    """A guess at the tokens of a text or a conversation, the one that budgets reserve."""
    if isinstance(said, str):
        return tokens_in(said)
    size = 0
    for message in said:
        parts = [message.content] if isinstance(message.content, str) else message.content
        for part in parts:
            text = part if isinstance(part, str) else part.text
            size += PICTURE if text is None else tokens_in(text)
    return size


def attached_bytes(messages: Sequence[Message]) -> int:
    """Bytes of images and files in the messages."""
    return sum(
        len(part.data or b"")
        for message in messages
        if not isinstance(message.content, str)
        for part in message.content
    )


def _user_content(part: ContentPart) -> UserContent:
    from pydantic_ai.messages import BinaryContent

    if part.type == "text":
        return part.text or ""
    assert part.data is not None and part.media_type is not None, "a file must have been read"
    return BinaryContent(part.data, media_type=part.media_type)


def _text_of(parts: list[ContentPart], path: str) -> str:
    for part in parts:
        if part.type != "text":
            raise BadArgument(f"{path}: only the user may send images and files")
    return "".join(part.text or "" for part in parts)
