"""This unit holds what is said to a model and what comes back, as plain records.

    Message         one message of a conversation
    ModelOptions    how to ask
    Reply           what was answered
    ModelInfo       what is known about a model

Scripts see these records, and the bridges import them when the program starts: nothing that asks
a model is imported here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation.

    role: who speaks.
    content: what is said.
    """

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """How to ask a model.

    model: the model as "provider/model", or a provider for its default model.
    system: instructions that stand above the conversation.
    temperature: how freely it chooses its words, 0 for hardly.
    max_tokens: the longest answer, in tokens.
    top_p: the share of likely words it chooses from, 0 to 1.
    stop: texts at which the answer ends.
    seed: a number that makes answers repeatable where the provider can.
    timeout: seconds to wait for the answer; of a stream, for the next piece.
    """

    model: str | None = None
    system: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    stop: list[str] | None = None
    seed: int | None = None
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered.

    content: the text.
    model: the model that answered, as "provider/model".
    input_tokens: tokens sent.
    output_tokens: tokens received.
    cost: US dollars; nothing when the price is unknown.
    finish_reason: why the answer ended, such as "stop" or "length".
    """

    content: str
    model: str
    input_tokens: int
    output_tokens: int
    cost: float | None = None
    finish_reason: str | None = None


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
