"""This unit tells what providers there are, and whether they answer.

listed(models, policy, roster)    what is known of each provider
templates()                       what each kind of provider needs
test(models, provider, http)      asks one for its list of models, which costs nothing
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import ProviderFailure
from .kinds import KINDS
from .ollama import ollama_root

if TYPE_CHECKING:
    from collections.abc import Callable

    from httpx2 import AsyncClient

    from ..pools.roster import Roster
    from ..settings import Environment
    from .models import Models
    from .providers import Provider


@dataclass(frozen=True, slots=True)
class ProviderInfo:
    """A provider of models.

    name: how models of it begin, as in "name/model".
    kind: the protocol it speaks, "mock" for a double, or the provider it stands for.
    origin: "builtin", "settings" when the user has named it, or "script".
    available: whether it can be asked: it has the key it needs.
    default_model: the model that its bare name means.
    url: its address, without any secret.
    needs: the variables one of which must hold its key, when none does.
    """

    name: str
    kind: str
    origin: str
    available: bool
    default_model: str | None = None
    url: str | None = None
    needs: str | None = None


@dataclass(frozen=True, slots=True)
class ProviderTemplate:
    """A kind of provider, and what one of it needs.

    kind: its name, as a configuration file names it.
    keys: variables one of which may hold the key.
    needs_key: whether it must have one.
    base_urls: variables one of which may hold the address.
    base_url: the address otherwise.
    default_model: the model that its bare name means.
    extra: the extra of llmspell that brings its library.
    """

    kind: str
    keys: list[str]
    needs_key: bool
    base_urls: list[str]
    base_url: str
    default_model: str | None = None
    extra: str | None = None


@dataclass(frozen=True, slots=True)
class ConnectionTest:
    """Whether a provider answers.

    name: the provider.
    ok: whether it does, and takes the key.
    seconds: how long it took.
    code: what went wrong, such as "key_refused" or "unreachable".
    message: the same as a sentence.
    """

    name: str
    ok: bool
    seconds: float
    code: str | None = None
    message: str | None = None


def templates() -> list[ProviderTemplate]:
    """What each kind of provider needs."""
    return [
        ProviderTemplate(
            name,
            list(kind.keys),
            kind.needs_key,
            list(kind.base_urls),
            kind.base_url,
            kind.default_model,
            kind.extra,
        )
        for name, kind in KINDS.items()
    ]


def listed(models: Models, reaches: Callable[[str], bool], roster: Roster) -> list[ProviderInfo]:
    """The providers within reach of a grant, then those the script has made."""
    own = [info(name, item, models) for name, item in roster.providers.items()]
    for name, options in roster.aliases.items():
        real = models.providers[options.provider or ""]
        told = info(options.provider or "", real, models)
        default = options.model or told.default_model
        own.append(ProviderInfo(name, told.name, "script", told.available, default, told.url))
    own += [ProviderInfo(name, "mock", "script", True) for name in roster.doubles]
    known = [info(name, item, models) for name, item in models.providers.items() if reaches(name)]
    if reaches("test"):
        known.append(ProviderInfo("test", "offline", "builtin", True, "offline"))
    return known + own


def info(name: str, provider: Provider, models: Models) -> ProviderInfo:
    """What is known of one provider."""
    kind = next((kind for kind, item in KINDS.items() if item is provider.kind), "")
    usable, needs = True, None
    try:
        provider.key_for(name, models.environment)
    except ProviderFailure as error:
        usable = False
        needs = provider.key_names if error.code == "key_missing" else None
    own = name not in models.providers
    origin = "script" if own else "settings" if name in models.settings.providers else "builtin"
    url = provider.shown_url or None
    return ProviderInfo(name, kind, origin, usable, provider.kind.default_model, url, needs)


async def test(
    provider: Provider, http: AsyncClient, environment: Environment, patience: float
) -> ConnectionTest:
    """Asks a provider for its list of models, the key with it."""
    began = time.perf_counter()

    def told(code: str | None = None, message: str | None = None) -> ConnectionTest:
        seconds = round(time.perf_counter() - began, 4)
        return ConnectionTest(provider.name, code is None, seconds, code, message)

    try:
        key = provider.key_for(provider.name, environment)
        url = ollama_root(provider.base_url) if provider.kind is KINDS["ollama"] else None
        status = await _status(provider, url or provider.base_url, key.reveal(), http, patience)
    except ProviderFailure as error:
        return told(error.code, error.message)
    except TimeoutError:
        return told("timeout", f"{provider.name} gave no answer within {patience:g} s")
    except Exception as error:  # noqa: BLE001 - a test tells of every failure
        own = error.__cause__ or error
        text = environment.redact(str(own)) or type(own).__name__
        where = f"cannot talk to {provider.name} at {provider.shown_url}"
        return told("unreachable", f"{where}: {text[:200]}")
    codes = {401: "key_refused", 403: "key_refused", 429: "rate_limited"}
    if status in codes or status >= 500:
        code = codes.get(status, "server_error")
        return told(code, f"{provider.name} answered with status {status}")
    return told()


async def _status(
    provider: Provider, base_url: str, key: str, http: AsyncClient, patience: float
) -> int:
    import asyncio

    headers = {"anthropic-version": "2023-06-01"} if provider.kind is KINDS["anthropic"] else {}
    if key:
        name = provider.kind.key_header
        headers[name] = f"Bearer {key}" if name == "authorization" else key
    async with asyncio.timeout(patience):
        # Only the status is wanted; the body may be of any length.
        async with http.stream(
            "GET", base_url + provider.kind.listing, headers=headers, follow_redirects=False
        ) as answer:
            return int(answer.status_code)
