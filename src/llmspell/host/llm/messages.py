"""This unit holds what is said to a model and what comes back, as plain records.

    ContentPart, Message    what is said: text, images, files
    ModelOptions            how to ask; Request and ChatOptions ask something with it
    Reply, TokenUsage       what was answered, and what that took
    BatchItem, Embeddings   what became of one request of many; texts as vectors
    StreamHandlers          who is told of an answer while it comes
    ModelInfo               what is known about a model

Scripts see these records, and the bridges import them when the program starts: nothing that asks
a model is imported here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from ...typespec import ModelName
from ...values import FunctionRef
from ..errors import ErrorRecord


@dataclass(frozen=True, slots=True)
class ContentPart:
    """One part of a message. An image or a file has exactly one of path, url and data.

    type: what it is.
    text: the text of a part of type text.
    path: a file that the grants allow to read.
    url: an address that the grants allow to fetch; the provider never fetches it.
    data: the bytes themselves.
    media_type: such as "image/png"; found out where it is left out.
    """

    type: Literal["text", "image", "file"]
    text: str | None = None
    path: str | None = None
    url: str | None = None
    data: bytes | None = None
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation.

    role: who speaks.
    content: what is said: a text, or a list of parts with texts, images and files.
    """

    role: Literal["system", "user", "assistant"]
    content: str | list[ContentPart]


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """How to ask a model.

    model: the model as "provider/model", or a provider for its default model.
    system: instructions that stand above the conversation.
    temperature: how freely it chooses its words, 0 for hardly, to 2.
    max_tokens: the longest answer, in tokens.
    top_p: the share of likely words it chooses from, 0 to 1.
    top_k: how many of the likeliest words it chooses from.
    presence_penalty: how much it avoids what was mentioned at all, -2 to 2.
    frequency_penalty: how much it avoids what was mentioned often, -2 to 2.
    stop: texts at which the answer ends.
    seed: a number that makes answers repeatable where the provider can.
    reasoning: how long it thinks before it answers, where it can.
    timeout: seconds to wait for the answer; of a stream, for the next piece.
    provider_options: what else the provider takes, by its own names; sent as it is.
    """

    model: ModelName | None = None
    system: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    top_k: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    stop: list[str] | None = None
    seed: int | None = None
    reasoning: Literal["off", "minimal", "low", "medium", "high"] | None = None
    timeout: float | None = None
    provider_options: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Request(ModelOptions):
    """A request to a model as one record: what is said, and how to ask.

    prompt: what to say; either this or messages.
    messages: the conversation so far, oldest first.
    """

    prompt: str | list[ContentPart] | None = None
    messages: list[Message] | None = None


@dataclass(frozen=True, slots=True)
class ChatOptions(ModelOptions):
    """What a chat is. The export of a chat is one of these.

    messages: what was said so far, oldest first.
    max_messages: how many messages are kept, 1000 at most; the oldest go first.
    """

    messages: list[Message] = field(default_factory=list)
    max_messages: int = 1000


@dataclass(frozen=True, slots=True)
class BatchOptions(ModelOptions):
    """How to ask many times. A request of a batch may have its own options.

    concurrency: how many requests there are at the same time, 1 to 64.
    """

    concurrency: int = 5


@dataclass(frozen=True, slots=True)
class EmbedOptions:
    """How to make vectors of texts.

    model: the model as "provider/model"; by default that of the default model's provider.
    dimensions: how many numbers a vector has, where the model can be told.
    timeout: seconds to wait for the answer.
    """

    model: str | None = None
    dimensions: int | None = None
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens of one request, as its provider counted them.

    input_tokens: tokens sent.
    output_tokens: tokens received, reasoning included.
    total_tokens: both together.
    cached_tokens: those of the sent ones that the provider had kept; left out when it did not say.
    reasoning_tokens: tokens of reasoning; left out when it did not say.
    """

    input_tokens: int
    output_tokens: int
    total_tokens: int
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered.

    content: the text.
    model: the model that answered, as "provider/model".
    input_tokens: tokens sent.
    output_tokens: tokens received.
    cost: US dollars; nothing when the price is unknown.
    finish_reason: why the answer ended, such as "stop" or "length".
    reasoning: what the model thought before it answered, where it tells; never part of content.
    usage: the tokens in detail.
    """

    content: str
    model: str
    input_tokens: int
    output_tokens: int
    cost: float | None = None
    finish_reason: str | None = None
    reasoning: str | None = None
    usage: TokenUsage | None = None


@dataclass(frozen=True, slots=True)
class BatchItem:
    """What became of one request of a batch.

    ok: whether it was answered.
    reply: the answer.
    error: why there is none.
    """

    ok: bool
    reply: Reply | None = None
    error: ErrorRecord | None = None


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Texts as vectors.

    vectors: one vector for each text, in their order.
    model: the model that made them, as "provider/model".
    input_tokens: tokens sent.
    cost: US dollars; nothing when the price is unknown.
    """

    vectors: list[list[float]]
    model: str
    input_tokens: int
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class StreamHandlers:
    """Who is told of an answer while it comes.

    on_content: is given each piece of text, all that has come since the last.
    on_complete: is given the whole answer, a Reply.
    on_error: is given the error, an ErrorRecord, which is not raised then.
    """

    on_content: FunctionRef | None = None
    on_complete: FunctionRef | None = None
    on_error: FunctionRef | None = None


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What is known about a model.

    name: the model as "provider/model".
    provider: the provider alone.
    default: whether it answers when no model is named.
    context_window: most tokens of a conversation.
    input_price: US dollars for a million tokens sent.
    output_price: US dollars for a million tokens received.
    """

    name: str
    provider: str
    default: bool = False
    context_window: int | None = None
    input_price: float | None = None
    output_price: float | None = None
