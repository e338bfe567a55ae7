"""This unit makes vectors of texts: which model does, within what budget, and what it gave.

embedding_model(ctx, wanted)          the model that is meant, once the policy allows it
embed(models, name, texts, ...)       one request, charged to a Meter
offline_vector(text, dimensions)      what "test/offline" makes of a text
"""

from __future__ import annotations

import asyncio
import math
import re
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from ...errors import BadArgument, LlmspellError, ProviderFailure
from ...policy import denial
from ..beside import Beside
from .charges import Charge, Used, tokens_in
from .messages import Embeddings, EmbedOptions

if TYPE_CHECKING:
    from ...limits import Meter
    from ..context import Context
    from .models import Models

MAX_TEXTS = 32
"""Texts of one request: so many vectors of 3,072 numbers are what may cross to a script at once."""

MAX_DIMENSIONS = 3072
OFFLINE_DIMENSIONS = 256

DEFAULTS = {"openai": "text-embedding-3-small", "gemini": "gemini-embedding-001", "test": "offline"}
"""Provider -> the model that makes vectors when none is named."""


async def embedding_model(ctx: Context, wanted: str | None) -> str:
    """The full name of the model that makes vectors. Raises Denied, or ProviderFailure.

    A double makes those of the offline model.
    """
    models = ctx.services.models
    if wanted and models.providers.own_name(wanted) not in (*models.providers, "test"):
        return await ctx.model(wanted)
    default = await models.default()
    if not wanted and default.startswith("mock/"):
        return await ctx.model(default)
    provider = models.providers.own_name(wanted or default.partition("/")[0])
    if not ctx.policy.reaches("llm", f"{provider}/"):
        raise denial("llm", provider)
    model = DEFAULTS.get(provider)
    if model is None:
        raise ProviderFailure(
            f"{provider} has no default model for vectors: write {provider}/MODEL",
            code="model_unknown",
        )
    ctx.demand("llm", f"{provider}/{model}")
    return f"{provider}/{model}"


async def embed(
    models: Models,
    name: str,
    texts: list[str],
    options: EmbedOptions,
    meter: Meter,
    beside: Beside | None = None,
) -> Embeddings:
    """One vector for each text. Raises BadArgument, BudgetExceeded or ProviderFailure.

    beside: what does long work of the run.
    """
    _check(texts, options)
    charge = Charge(models, name, meter, sum(map(tokens_in, texts)), None, answered=False)
    try:
        seconds = options.timeout or models.settings.timeout
        async with asyncio.timeout(seconds):
            model = models.bare(name, meter)
            vectors, usage = await _vectors(model, name, texts, options, beside or Beside())
    except TimeoutError as error:
        charge.fail(error)
        raise ProviderFailure(
            f"{name} gave no answer within {seconds:g} s: raise the timeout",
            code="timeout",
            retryable=True,
        ) from None
    except BaseException as error:
        charge.fail(error)
        if isinstance(error, LlmspellError) or not isinstance(error, Exception):
            raise
        raise models.failure(error, name) from error
    # The server may be one of the script: what it says must not give tokens back.
    sent = max(0, getattr(usage, "input_tokens", 0)) or charge.sent
    used = Used(sent, 0, models.cost_of(name, sent, 0))
    charge.end(used)
    if len(vectors) != len(texts):
        raise ProviderFailure(
            f"{name} gave {len(vectors)} vectors for {len(texts)} texts", code="malformed"
        )
    return Embeddings(vectors, name, sent, used.cost)


def _check(texts: list[str], options: EmbedOptions) -> None:
    if not 0 < len(texts) <= MAX_TEXTS:
        raise BadArgument(f"texts must be 1 to {MAX_TEXTS} texts, got {len(texts)}")
    if options.dimensions is not None and not 0 < options.dimensions <= MAX_DIMENSIONS:
        raise BadArgument(
            f"options.dimensions must be 1 to {MAX_DIMENSIONS}, got {options.dimensions}"
        )
    if options.timeout is not None and not options.timeout > 0:
        raise BadArgument(f"options.timeout must be above 0, got {options.timeout}")


async def _vectors(
    model: Any, name: str, texts: list[str], options: EmbedOptions, beside: Beside
) -> tuple[list[list[float]], Any]:
    if name == "test/offline" or hasattr(model, "double"):
        size = options.dimensions or OFFLINE_DIMENSIONS
        return await beside.do(lambda: [offline_vector(text, size) for text in texts]), None
    from pydantic_ai.embeddings import EmbeddingSettings

    settings = EmbeddingSettings()
    if options.dimensions:
        settings["dimensions"] = options.dimensions
    client = None if hasattr(model, "pool") else getattr(model, "client", None)
    embedder = _embedder(name, client)
    result = await embedder.embed(texts, input_type="document", settings=settings)
    # Providers compute with 32 bits: more digits are noise, and twice the size.
    return [[float(f"{x:.8g}") for x in vector] for vector in result.embeddings], result.usage


def _embedder(name: str, client: Any) -> Any:
    """The pydantic-ai model for vectors, on the connection of a chat model of that provider."""
    model, library = name.partition("/")[2], type(client).__module__.partition(".")[0]
    if library == "openai":
        from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel
        from pydantic_ai.providers.openai import OpenAIProvider

        return OpenAIEmbeddingModel(model, provider=OpenAIProvider(openai_client=client))
    if library == "google":
        from pydantic_ai.embeddings.google import GoogleEmbeddingModel
        from pydantic_ai.providers.google import GoogleProvider

        return GoogleEmbeddingModel(model, provider=GoogleProvider(client=client))
    raise ProviderFailure(
        f"{name.partition('/')[0]} makes no vectors of texts: name a model of another provider",
        code="unsupported",
    )


def offline_vector(text: str, dimensions: int) -> list[float]:
    """A vector of length 1 that is the same for the same words, and near for texts that share some.

    Each word adds 1 or -1 in the four places its hash names.
    """
    vector = [0.0] * dimensions
    for word in re.findall(r"\w+", text.lower()) or [""]:
        digest = blake2b(word.encode(), digest_size=16).digest()
        for start in range(0, 16, 4):
            number = int.from_bytes(digest[start : start + 4], "big")
            vector[(number >> 1) % dimensions] += 1.0 if number & 1 else -1.0
    length = math.sqrt(sum(x * x for x in vector)) or 1.0
    return [x / length for x in vector]
