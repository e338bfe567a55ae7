"""This unit knows the model providers there are, each with its address and the names of its keys.

    Providers(settings, env)    the built-in kinds and the user's `[providers.NAME]` tables, by name
    provider.build(...)         a pydantic-ai model
    provider.price(...)         what a request to it cost
    OFFLINE_PROVIDER            stands for the offline model

A key is read from the environment when a model is built and is kept nowhere here. A key of the
process goes to no address that only ./.env names: such a file may come from somebody else, with
a folder one only wanted to look at. A key that is in the file itself may go there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from ...errors import BadArgument, ProviderFailure, near_miss
from ..settings import Environment, ProviderSettings
from .failures import said_by
from .kinds import KINDS, OWN_NAMES, Connection, Kind
from .ollama import ollama_root

if TYPE_CHECKING:
    from httpx2 import AsyncClient
    from pydantic_ai.messages import ModelResponse
    from pydantic_ai.models import Model
    from pydantic_ai.settings import ModelSettings

    from ..secrets import Secret


@dataclass(frozen=True, slots=True)
class Provider:
    """One usable provider: a kind under a name, with its address and the names of its keys.

    base_url_refused: whether the address may not have the key, because only ./.env names it.
    """

    name: str
    kind: Kind
    base_url: str
    base_url_from: str
    keys: tuple[str, ...]
    needs_key: bool
    base_url_refused: bool = False

    @property
    def key_names(self) -> str:
        """The variables that may hold the key, for a sentence."""
        return " or ".join(self.keys) or "its key"

    @property
    def shown_url(self) -> str:
        """The address without any user, password or query."""
        parts = urlsplit(self.base_url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

    def has_key(self, environment: Environment) -> bool:
        """Whether one of its key variables is set."""
        return _first_set(self.keys, environment) is not None

    def price(self, model: str, usage: Any) -> float | None:
        """US dollars for a usage report of a model, or None when its price is unknown."""
        if self.kind.prices in (None, "free"):
            return None if self.kind.prices is None else 0.0
        return price_of(str(self.kind.prices), model, usage)

    def listed(self, model: str) -> tuple[int | None, float | None, float | None]:
        """Context window and dollars for a million tokens in and out; None for what is unknown."""
        if self.kind.prices in (None, "free"):
            free = None if self.kind.prices is None else 0.0
            return None, free, free
        from genai_prices.data_snapshot import get_snapshot

        try:
            _, info = get_snapshot().find_provider_model(
                model, provider=None, provider_id=self.kind.prices, provider_api_url=None
            )
        except LookupError:
            return None, None, None
        prices = info.get_prices(datetime.now(UTC))
        return info.context_window, dollars(prices.input_mtok), dollars(prices.output_mtok)

    def known(self) -> list[str]:
        """The models pydantic-ai lists for this kind."""
        from pydantic_ai.models import known_model_names

        start = f"{self.kind.listed_as}:"
        return [name.removeprefix(start) for name in known_model_names() if name.startswith(start)]

    def build(
        self, model: str, environment: Environment, http: AsyncClient, settings: ModelSettings
    ) -> Model[Any]:
        """The pydantic-ai model. Raises ProviderFailure when key, address or SDK is missing."""
        full = f"{self.name}/{model}"
        key = self.key_for(full, environment)
        url = self.base_url
        if self.kind is KINDS["ollama"]:
            url += "/v1"
        try:
            return self.kind.build(model, Connection(self.name, url, key, http, settings))
        except ImportError as error:
            wanted = f"llmspell[{self.kind.extra}]" if self.kind.extra else "llmspell"
            raise ProviderFailure(
                f"{full} needs a package that is not installed: pip install '{wanted}'",
                code="dependency",
            ) from error
        except Exception as error:
            said = said_by(error, environment)
            raise ProviderFailure(f"{full} cannot be used: {said}", code="model_unknown") from error

    def key_for(self, full: str, environment: Environment) -> Secret:
        """The key to send to its address. Raises ProviderFailure when it may not be asked."""
        key_from = _first_set(self.keys, environment)
        key = environment.secret(key_from or "")
        if self.needs_key and not key:
            raise ProviderFailure(
                f"{full} needs {self.key_names}: set it in the environment or in .env",
                code="key_missing",
            )
        if not self.base_url:
            raise ProviderFailure(
                f"{full} needs an address: set {self.base_url_from}", code="unreachable"
            )
        if self.base_url_refused:
            raise ProviderFailure(
                f"{full} is not asked: {self.base_url_from} is only set in .env, which may come "
                f"from somebody else, and {key_from} would be sent there; set "
                f"{self.base_url_from} in the environment",
                code="base_url_refused",
            )
        return key


MAX_NAME = 500
"""Characters of the name of a model: names are kept, and compared with patterns."""


def check_name(name: str) -> None:
    """Raises BadArgument for what is too long to be the name of a model."""
    if len(name) > MAX_NAME:
        raise BadArgument(f"the name of a model has at most {MAX_NAME} characters, got {len(name)}")


def _first_set(names: Iterable[str], environment: Environment) -> str | None:
    return next((name for name in names if environment.get(name)), None)


def price_of(provider: str, model: str, usage: Any) -> float | None:
    """US dollars for a usage report, by the name genai-prices has for a provider, or None."""
    from genai_prices import calc_price

    try:
        return float(calc_price(usage, model, provider_id=provider).total_price)
    except (LookupError, ValueError):
        return None


def dollars(price: Any) -> float | None:
    """A price of genai-prices; of one with tiers, the first."""
    return None if price is None else float(getattr(price, "base", price))


def _never(name: str, to: Connection) -> Model[Any]:
    raise AssertionError("the offline model is no provider's")


OFFLINE_PROVIDER = Provider("test", Kind(_never, prices="free"), "", "", (), False)
"""Stands for the offline model where a provider is spoken of."""


def stand_in(name: str, where: str) -> Provider:
    """Stands for a provider that only one script or program knows, from there: its prices are
    unknown."""
    return Provider(name, KINDS["openai_compatible"], "its address", where, (), False)


ANSWERED_BY = "llmspell.model"
"""Where a response says which model of a pool has given it."""


def answered_by(response: ModelResponse) -> str | None:
    """The model of a pool that has answered; None when no pool was asked."""
    name: str | None = (response.metadata or {}).get(ANSWERED_BY)
    return name


MADE = {"mock": "llm.providers.create_mock", "pool": "llm.pool.create"}
"""What models begin with that no provider has -> the function that makes them."""


class Providers(Mapping[str, Provider]):
    """The providers there are, by name: the built-in kinds and the user's own."""

    def __init__(self, settings: Mapping[str, ProviderSettings], environment: Environment) -> None:
        named = {name: ProviderSettings(name) for name in KINDS} | dict(settings)
        self._providers = {
            name: _provider(name, given, environment) for name, given in named.items()
        }

    def __getitem__(self, name: str) -> Provider:
        return self._providers[name]

    def __iter__(self) -> Any:
        return iter(self._providers)

    def __len__(self) -> int:
        return len(self._providers)

    def own_name(self, name: str) -> str:
        """What a provider is called here, by what others call it: "gemini" for "google".

        One that the user has called so comes first.
        """
        return name if name in self else OWN_NAMES.get(name, name)

    def unknown(self, wanted: str) -> ProviderFailure:
        """The error for a name that no provider has."""
        head, slash, _ = wanted.partition("/")
        if slash and head in MADE:
            told = f"{wanted!r} names no model; {MADE[head]} makes one in this run"
            return ProviderFailure(told, code="model_unknown")
        prefix, colon, _ = head.partition(":")
        if colon and prefix in self:
            advice = f"; write it as {prefix}/{wanted.partition(':')[2]}"
        else:
            advice = near_miss(head, self)
        example = f"openai/{KINDS['openai'].default_model}"
        wrong = (
            f"no provider {head!r} is configured, nor made in this run"
            if slash
            else f"write PROVIDER/MODEL, for example {example}"
        )
        return ProviderFailure(
            f"{wanted!r} names no model{advice}; {wrong}; providers: {', '.join(self)}, test",
            code="model_unknown",
        )


def _provider(name: str, given: ProviderSettings, environment: Environment) -> Provider:
    kind = KINDS[given.kind]
    own_key = given.api_key_env is not None
    keys = (given.api_key_env,) if given.api_key_env else kind.keys if name in KINDS else ()
    # A provider of the user's own with a kind that needs a key uses that kind's variables.
    if not keys and kind.needs_key:
        keys = kind.keys
    key = _first_set(keys, environment)
    variables = kind.base_urls if name in KINDS else ()
    guarded = key is not None and not environment.in_dotenv(key)
    if guarded:  # what the process says about the address comes first
        variables = tuple(sorted(variables, key=environment.in_dotenv))
    refused = False
    if given.base_url:
        base_url, source = given.base_url, f"base_url of [providers.{name}]"
    elif variable := _first_set(variables, environment):
        base_url, source = environment.get(variable) or "", variable
        refused = guarded and environment.in_dotenv(variable)
    else:
        base_url = kind.base_url
        source = kind.base_urls[0] if name in KINDS else f"base_url of [providers.{name}]"
    if given.kind == "ollama":
        base_url = ollama_root(base_url)
    needs_key = kind.needs_key or own_key
    return Provider(name, kind, base_url.rstrip("/"), source, keys, needs_key, refused)
