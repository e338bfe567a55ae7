"""This unit declares the kinds of model provider: what each needs and how its models are built.

    KINDS           every kind, declared once
    Connection      what building a model needs besides its name

The SDKs' own retries are off. Importing pydantic-ai and an SDK takes up to a second, so only
building a model does it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from httpx2 import AsyncClient
    from pydantic_ai.models import Model
    from pydantic_ai.settings import ModelSettings

    from ..secrets import Secret


@dataclass(frozen=True, slots=True)
class Connection:
    """What building a model needs besides its name. Lives only as long as the building."""

    provider: str
    base_url: str
    key: Secret
    http: AsyncClient
    settings: ModelSettings

    def __repr__(self) -> str:
        return f"<Connection to {self.provider}>"


def _openai_client(to: Connection, headers: Mapping[str, str] | None = None) -> Any:
    from openai import AsyncOpenAI

    return AsyncOpenAI(
        base_url=to.base_url,
        # The SDK insists on a key; servers that want none ignore it.
        api_key=to.key.reveal() or "none",
        max_retries=0,
        http_client=to.http,
        default_headers=headers,
    )


def _openai(name: str, to: Connection) -> Model[Any]:
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    # Models that always reason take no temperature. One spell should run on any model, and its
    # author cannot act on a Python warning.
    warnings.filterwarnings("ignore", message="Sampling parameters .* are not supported")
    provider = OpenAIProvider(openai_client=_openai_client(to))
    return OpenAIChatModel(name, provider=provider, settings=to.settings)


def _anthropic(name: str, to: Connection) -> Model[Any]:
    from anthropic import AsyncAnthropic
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    client = AsyncAnthropic(
        base_url=to.base_url, api_key=to.key.reveal(), max_retries=0, http_client=to.http
    )
    provider = AnthropicProvider(anthropic_client=client)
    return AnthropicModel(name, provider=provider, settings=to.settings)


def _gemini(name: str, to: Connection) -> Model[Any]:
    from pydantic_ai.models.google import GoogleModel
    from pydantic_ai.providers.google import GoogleProvider

    # Google's SDK retries only when given retry options.
    provider = GoogleProvider(base_url=to.base_url, api_key=to.key.reveal(), http_client=to.http)
    return GoogleModel(name, provider=provider, settings=to.settings)


def _ollama(name: str, to: Connection) -> Model[Any]:
    from pydantic_ai.models.ollama import OllamaModel
    from pydantic_ai.providers.ollama import OllamaProvider

    provider = OllamaProvider(openai_client=_openai_client(to))
    return OllamaModel(name, provider=provider, settings=to.settings)


def _openrouter(name: str, to: Connection) -> Model[Any]:
    from pydantic_ai.models.openrouter import OpenRouterModel
    from pydantic_ai.providers.openrouter import OpenRouterProvider

    provider = OpenRouterProvider(openai_client=_openai_client(to, {"X-Title": "llmspell"}))
    return OpenRouterModel(name, provider=provider, settings=to.settings)


def _openai_compatible(name: str, to: Connection) -> Model[Any]:
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

    provider = OpenAICompatibleProvider(to.provider, openai_client=_openai_client(to))
    return OpenAIChatModel(name, provider=provider, settings=to.settings)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of provider.

    keys: variables that may hold the key, the first set one counts; empty when none is needed.
    needs_key: whether it refuses to work without.
    base_urls: variables that may hold the address.
    base_url: the address otherwise.
    default_model: what the bare provider name means.
    prices: its id in genai-prices; None when prices are unknown, "free" when there are none.
    listed_as: its prefix in pydantic-ai's list of known models.
    listing: where below its address its models are listed.
    key_header: the header that the key goes into.
    extra: the extra of our package that brings its SDK.
    """

    build: Callable[[str, Connection], Model[Any]]
    keys: tuple[str, ...] = ()
    needs_key: bool = True
    base_urls: tuple[str, ...] = ()
    base_url: str = ""
    default_model: str | None = None
    prices: str | None = None
    listed_as: str | None = None
    listing: str = "/models"
    key_header: str = "authorization"
    extra: str | None = None


KINDS: dict[str, Kind] = {
    "openai": Kind(
        _openai,
        keys=("OPENAI_API_KEY",),
        base_urls=("OPENAI_BASE_URL",),
        base_url="https://api.openai.com/v1",
        default_model="gpt-6-luna",
        prices="openai",
        listed_as="openai-chat",
    ),
    "anthropic": Kind(
        _anthropic,
        keys=("ANTHROPIC_API_KEY",),
        base_urls=("ANTHROPIC_BASE_URL",),
        base_url="https://api.anthropic.com",
        default_model="claude-sonnet-5-5",
        prices="anthropic",
        listed_as="anthropic",
        listing="/v1/models",
        key_header="x-api-key",
        extra="anthropic",
    ),
    "gemini": Kind(
        _gemini,
        keys=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        base_urls=("GEMINI_BASE_URL", "GOOGLE_GEMINI_BASE_URL"),
        base_url="https://generativelanguage.googleapis.com",
        default_model="gemini-3.8-flash",
        prices="google",
        listed_as="google",
        listing="/v1beta/models",
        key_header="x-goog-api-key",
        extra="gemini",
    ),
    "ollama": Kind(
        _ollama,
        keys=("OLLAMA_API_KEY",),
        needs_key=False,
        base_urls=("OLLAMA_BASE_URL", "OLLAMA_HOST"),
        base_url="http://localhost:11434",
        listing="/api/tags",
        prices="free",
    ),
    "openrouter": Kind(
        _openrouter,
        keys=("OPENROUTER_API_KEY",),
        base_urls=("OPENROUTER_BASE_URL",),
        base_url="https://openrouter.ai/api/v1",
        prices="openrouter",
    ),
    "openai_compatible": Kind(
        _openai_compatible,
        keys=("OPENAI_COMPATIBLE_API_KEY",),
        needs_key=False,
        base_urls=("OPENAI_COMPATIBLE_BASE_URL",),
    ),
}
"""Every kind, in the order in which a key in the environment chooses the default model."""

OWN_NAMES = {
    kind.prices: name
    for name, kind in KINDS.items()
    if kind.prices and kind.prices not in (name, "free")
}
"""What others call a provider -> what it is called here."""
