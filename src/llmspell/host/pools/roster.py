"""This unit keeps the models that a script made for its own run: doubles, providers and pools.

    Roster(models, meter, demand, checked)   those of one run; they go with it
        name(wanted)          the full name of one of them, or None
        model(name)           its pydantic-ai model, or None
        create() mock() pool() remove()

A provider of a script gets no key, whatever it is called: one with an address of its own has none,
and one that stands for a provider of the user's goes to that one's address.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ...errors import BadArgument, NotFound, near_miss
from ..doubles.doubles import Double
from ..llm.kinds import KINDS
from ..llm.providers import MAX_NAME, Provider, check_name
from ..net.addresses import METADATA_HOSTS, bare, names, resource
from .pools import MAX_MEMBERS, Pool, PoolMember, PoolOptions, Strategy

if TYPE_CHECKING:
    from httpx2 import AsyncClient
    from pydantic_ai.models import Model

    from ...limits import Meter
    from ..llm.models import Models

MAX_OWN = 64
"""Doubles, providers and pools of one run, of each."""

MAX_MODELS = 256
"""Models of its own providers that a run may name."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
RESERVED = ("mock", "pool", "test")


@dataclass(frozen=True, slots=True)
class ProviderOptions:
    """What a provider of a script is: an address of its own, or another provider's.

    base_url: address of a server that speaks OpenAI's protocol; it is sent no key.
    provider: the provider it stands for, with the address and the key of that one.
    model: the model that its bare name means.
    """

    base_url: str | None = None
    provider: str | None = None
    model: str | None = None

    def __post_init__(self) -> None:
        """Refuses what says neither or both."""
        if (self.base_url is None) == (self.provider is None):
            raise ValueError("give either base_url or provider")
        if self.base_url is not None and not re.match(r"https?://[^/\s]", self.base_url):
            raise ValueError("base_url must begin with http:// or https://")
        if len(self.base_url or "") > 2000:
            raise ValueError("base_url is longer than 2000 characters")
        if len(self.model or "") > MAX_NAME:
            raise ValueError(f"model is longer than {MAX_NAME} characters")


class Roster:
    """The models that a script made for its own run."""

    def __init__(
        self,
        models: Models,
        meter: Meter,
        demand: Callable[[str, str], None],
        checked: Callable[[], AsyncClient],
    ) -> None:
        self.doubles: dict[str, Double] = {}
        self.providers: dict[str, Provider] = {}
        self.aliases: dict[str, ProviderOptions] = {}
        self.pools: dict[str, Pool] = {}
        self.defaults: dict[str, str] = {}
        self._models = models
        self._meter = meter
        self._demand = demand
        self._checked = checked
        self._built: dict[str, Model[Any]] = {}
        models.rosters[id(meter)] = self  # which is no other's as long as this holds the meter

    def close(self) -> None:
        """Forgets everything, with its run."""
        self._models.rosters.pop(id(self._meter), None)
        for kept in (self.doubles, self.providers, self.aliases, self.pools, self._built):
            kept.clear()

    async def name(self, wanted: str) -> str | None:
        """The full name of what the script made and means; None when it means another."""
        for full in (wanted, f"mock/{wanted}", f"pool/{wanted}"):
            if full in self.doubles or full in self.pools:
                return full
        check_name(wanted)
        head, _, rest = wanted.partition("/")
        model = rest or self.defaults.get(head)
        if head in self.aliases:
            real = self.aliases[head].provider or ""
            name = await self._models.name(f"{real}/{model}" if model else real)
        elif head in self.providers:
            if not model:
                raise BadArgument(f"{head} has no default model: write {head}/MODEL")
            name = f"{head}/{model}"
        else:
            return None
        self._demand("llm", name)
        return name

    def model(self, name: str, meter: Meter | None = None) -> Model[Any] | None:
        """The model of a full name; None when it is not one of these.

        meter: to which a pool charges its requests, when that is not the one of the run.
        """
        if meter not in (None, self._meter) and name in self.pools:
            from .pooled import PooledModel

            return PooledModel(self.pools[name], self._models, meter)
        if name not in self._built:
            if name in self.pools:
                from .pooled import PooledModel

                self._built[name] = PooledModel(self.pools[name], self._models, self._meter)
            elif name in self.doubles:
                from ..doubles.scripted import ScriptedModel

                self._built[name] = ScriptedModel(self.doubles[name], name)
            elif provider := self.providers.get(name.partition("/")[0]):
                if len(self._built) >= MAX_MODELS:
                    raise BadArgument(f"{name}: a script names at most {MAX_MODELS} models")
                timeout: Any = {"timeout": self._models.settings.timeout}
                self._built[name] = provider.build(
                    name.partition("/")[2], self._models.environment, self._checked(), timeout
                )
        return self._built.get(name)

    def create(self, name: str, options: ProviderOptions) -> str:
        """Adds a provider. Raises Denied where the script may not talk to its address."""
        self._check(name, [*self.providers, *self.aliases])
        if options.provider is not None:
            if options.provider not in self._models.providers:
                known = self._models.providers
                near = near_miss(options.provider, known)
                raise NotFound(f"there is no provider {options.provider}{near}")
            self.aliases[name] = options
        else:
            url = (options.base_url or "").rstrip("/")
            self._check_address(url)
            kind = KINDS["openai_compatible"]
            self.providers[name] = Provider(name, kind, url, "options.base_url", (), False)
        if options.model:
            self.defaults[name] = options.model
        return name

    def mock(self, name: str, double: Double) -> str:
        """Adds a double; gives its full name."""
        self._check(name, self.doubles)
        self._meter.hold(double.size)
        self.doubles[f"mock/{name}"] = double
        return f"mock/{name}"

    async def pool(
        self,
        name: str,
        members: list[PoolMember],
        strategy: Strategy,
        options: PoolOptions,
        model: Callable[[str | None], Awaitable[str]],
    ) -> Pool:
        """Adds a pool; `model` gives the full name of a model the script may ask."""
        from dataclasses import replace

        self._check(name, self.pools)
        if len(members) > MAX_MEMBERS:
            raise BadArgument(f"a pool has 1 to {MAX_MEMBERS} models, got {len(members)}")
        named = [replace(member, model=await model(member.model)) for member in members]
        if options.judge is not None:
            options = replace(options, judge=await model(options.judge))
        if any(full in self.pools for full in [*(m.model for m in named), options.judge or ""]):
            raise BadArgument("a pool cannot be in a pool")
        pool = Pool(name, named, strategy, options)
        self.pools[pool.name] = pool
        return pool

    def remove(self, name: str) -> bool:
        """Forgets what the script made under a name, or "mock/NAME", "pool/NAME"."""
        found = False
        for full in (name, f"mock/{name}", f"pool/{name}"):
            if full in self.doubles:
                self._meter.hold(-self.doubles[full].size)
            for kept in (self.doubles, self.providers, self.aliases, self.pools, self.defaults):
                found = kept.pop(full, None) is not None or found
            for built in [n for n in self._built if n == full or n.startswith(f"{full}/")]:
                del self._built[built]
        return found

    def _check(self, name: str, taken: Any) -> None:
        if NAME.fullmatch(name) is None:
            raise BadArgument(
                f"{name!r} cannot be a name: use up to 64 letters, digits, _ - or ., beginning "
                "with a letter or digit"
            )
        if name in self._models.providers or name in RESERVED:
            raise BadArgument(f"{name} is a provider already: choose another name")
        whole = {*self.providers, *self.aliases}
        whole |= {full.partition("/")[2] for full in (*self.doubles, *self.pools)}
        if name in whole:
            raise BadArgument(f"{name} is there already: remove it, or choose another name")
        if len(taken) >= MAX_OWN:
            raise BadArgument(f"{name}: a script makes at most {MAX_OWN} of these")

    def _check_address(self, url: str) -> None:
        """The grants that talking to an address needs; each connection is checked again."""
        parts = urlsplit(url)
        try:
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise BadArgument(f"{url} is not an address") from None
        if parts.username or parts.password or parts.query or parts.fragment:
            raise BadArgument("base_url must have no user, password, query or fragment")
        port = port or (443 if parts.scheme == "https" else 80)
        for item in names(host, port):
            self._demand("net", item)
        if bare(host) in METADATA_HOSTS:
            self._demand("net.private", resource(host, port))
