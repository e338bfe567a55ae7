"""This unit says where the user's wishes come from: one configuration file and the environment.

Settings.load(environ, cwd)   what $LLMSPELL_CONFIG, else ./llmspell.toml, else
                              ~/.config/llmspell/config.toml says; checked key by key
Environment(environ, cwd)     the variables of the process over those of ./.env; knows which
                              are secret, so scripts cannot read them and output can hide them

A file in the current folder may come from somebody else, so ./llmspell.toml has no say in what
spells may do, where keys and searches are sent and what compiled programs are believed: `allow`,
`level`, `providers`, `tools`, `mcp`, `search_url`, `search_engine` and `cache` are an error there,
and are always those of the user's own file, whose `features` and `sandbox` come first too.
`in_dotenv` lets others be as careful with ./.env.

Every command imports this unit, so it imports little itself.

model = "openai/gpt-6-luna"
level = "trusted"
allow = ["net:example.com"]
timeout = 60
features = ["agent"]
sandbox = ["standard"]
cache = "~/.cache/llmspell"

search_url = "http://localhost:8888"
search_engine = "searxng"

[limits]
tokens = 100000

[tools]
"file_*" = "ask"

[providers.local]
kind = "openai_compatible"
base_url = "http://localhost:8080/v1"
api_key_env = "LOCAL_KEY"

[mcp.docs]
url = "https://docs.example.com/mcp"
headers = { authorization = "Bearer ${DOCS_TOKEN}" }
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from ..errors import ConfigError, Denied, UsageError, near_miss
from ..limits import Limits, expanded
from ..policy import ISOLATIONS, LEVELS, Grant
from .secrets import Filter, Secret, is_secret

DEFAULT_TIMEOUT = 120.0
"""Seconds: long answers of large models take about a minute."""

PROVIDER_KINDS = ("openai", "anthropic", "gemini", "ollama", "openrouter", "openai_compatible")
"""The kinds a `[providers.NAME]` table may have; `providers` says what each is."""

GUARDED = ("allow", "level", "providers", "cache", "tools", "mcp", "search_url", "search_engine")
"""What only the user's own file, or one named by $LLMSPELL_CONFIG, may say."""

_CACHES = {"darwin": ("Library", "Caches"), "win32": ("AppData", "Local")}
"""Where systems keep what can be made again, below the user's own folder."""

VARIABLE = r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}"
"""Where the value of a variable belongs in a header."""

_CREDENTIAL = "auth|cookie|token|secret|api-?key"
"""What the name of a header has that holds a key."""

SEARCH_ENGINES = ("searxng", "duckduckgo")
"""Whose answers a search reads; `web_search` does."""

_TABLE_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"


class ProviderSettings(NamedTuple):
    """One `[providers.NAME]` table. The key itself is never here, only the variable's name."""

    kind: str
    base_url: str | None = None
    api_key_env: str | None = None


class McpSettings(NamedTuple):
    """One `[mcp.NAME]` table: a server at a URL, or one that is a program.

    headers: of each request to the URL; ${NAME} stands for the value of a variable.
    variables: names of those the program gets, keys among them.
    """

    url: str | None = None
    headers: Mapping[str, str] = {}
    command: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()


class Settings(NamedTuple):
    """What the configuration file says; every part has a default. `file` is where it was."""

    model: str | None = None
    providers: Mapping[str, ProviderSettings] = {}
    allow: tuple[str, ...] = ()
    level: str | None = None
    isolation: str | None = None
    require: tuple[str, ...] = ()
    limits: Mapping[str, Any] = {}
    timeout: float = DEFAULT_TIMEOUT
    features: tuple[str, ...] = ()
    sandbox: tuple[str, ...] = ()
    cache: str | None = None
    tools: Mapping[str, str] = {}
    search_url: str | None = None
    search_engine: str | None = None
    mcp: Mapping[str, McpSettings] = {}
    file: str | None = None

    @property
    def key_names(self) -> tuple[str, ...]:
        """The variables that hold keys of the user's own providers and MCP servers."""
        names = [p.api_key_env for p in self.providers.values() if p.api_key_env]
        for server in self.mcp.values():
            names += server.variables
            for text in server.headers.values():
                names += re.findall(VARIABLE, text)
        return tuple(names)

    def cache_folder(self, environ: Mapping[str, str]) -> str | None:
        """Where compiled programs are kept: $LLMSPELL_CACHE, `cache`, or this user's own place.

        None when either says "off", or there is no such place.
        """
        chosen = environ.get("LLMSPELL_CACHE") or self.cache
        if chosen:
            return None if chosen == "off" else os.path.abspath(os.path.expanduser(chosen))
        home = environ.get("HOME") or os.path.expanduser("~")
        shared = environ.get("XDG_CACHE_HOME", "")
        if not os.path.isabs(shared):
            shared = os.path.join(home, *_CACHES.get(sys.platform, (".cache",)))
        return os.path.join(shared, "llmspell") if os.path.isabs(shared) else None

    @classmethod
    def load(cls, environ: Mapping[str, str], cwd: str | os.PathLike[str]) -> Settings:
        """Reads the configuration file there is, if any. Raises ConfigError naming file and key."""
        if named := environ.get("LLMSPELL_CONFIG"):
            return _read(os.path.join(cwd, os.path.expanduser(named)))
        own, here = _own_file(environ), os.path.join(cwd, "llmspell.toml")
        local = _read(here, instead=own) if os.path.isfile(here) else None
        users = _read(own) if os.path.isfile(own) else cls()
        if local is None:
            return users
        return local._replace(
            allow=users.allow,
            level=users.level,
            isolation=local.isolation or users.isolation,
            require=(*users.require, *local.require),
            providers=users.providers,
            features=users.features or local.features,
            sandbox=users.sandbox or local.sandbox,
            cache=users.cache,
            tools=users.tools,
            search_url=users.search_url,
            search_engine=users.search_engine,
            mcp=users.mcp,
            limits={**local.limits, **users.limits},
        )


def _own_file(environ: Mapping[str, str]) -> str:
    """Where the user's own file is, if there is one."""
    home = environ.get("HOME") or os.path.expanduser("~")
    shared = environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    return os.path.join(shared, "llmspell", "config.toml")


def _read(path: str, instead: str = "") -> Settings:
    """The settings in a file. `instead` is where to write what this one may not say."""
    import tomllib

    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        values = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not valid TOML: {error}") from error
    return _File(path, text, instead).settings(values)


class _File(NamedTuple):
    """A configuration file being checked; keeps the text to find the line of a mistake."""

    path: str
    text: str
    instead: str

    def settings(self, values: dict[str, Any]) -> Settings:
        known = Settings._fields[:-1]
        self.check_known("", values, known)
        self.check_guarded(values)
        model = self.take("", values, "model", str, "a string such as 'openai/gpt-6-luna'")
        level = self.one_of(values, "level", LEVELS)
        isolation = self.take("", values, "isolation", str, f"one of {', '.join(ISOLATIONS)}")
        choices = ISOLATIONS[1:] if self.instead else ISOLATIONS
        if isolation is not None and isolation not in choices:
            raise self.wrong("", "isolation", f"must be {' or '.join(choices)} here")
        timeout = self.take("", values, "timeout", (int, float), "a number of seconds")
        if timeout is not None and not timeout > 0:
            raise self.wrong("", "timeout", "must be above 0")
        return Settings(
            model=model,
            providers=self.providers(self.take("", values, "providers", dict, "a table") or {}),
            allow=self.allow(self.strings(values, "allow")),
            level=level,
            isolation=isolation,
            require=self.strings(values, "require"),
            limits=self.limits(self.take("", values, "limits", dict, "a table") or {}),
            timeout=DEFAULT_TIMEOUT if timeout is None else float(timeout),
            features=self.strings(values, "features"),
            sandbox=self.strings(values, "sandbox"),
            cache=self.take("", values, "cache", str, "a folder, or 'off'"),
            tools=self.tools(self.take("", values, "tools", dict, "a table") or {}),
            search_url=self.url("", values, "search_url"),
            search_engine=self.one_of(values, "search_engine", SEARCH_ENGINES),
            mcp=self.mcp(self.take("", values, "mcp", dict, "a table") or {}),
            file=self.path,
        )

    def check_guarded(self, values: Mapping[str, Any]) -> None:
        for key in GUARDED if self.instead else ():
            if key in values:
                raise self.wrong(
                    "", key, f"can only be set in {self.instead} or a file named by "
                    "LLMSPELL_CONFIG: a file in the current folder may come from somebody else"
                )  # fmt: skip

    def strings(self, values: Mapping[str, Any], key: str, table: str = "") -> tuple[str, ...]:
        given = self.take(table, values, key, list, "a list of strings") or []
        for item in given:
            if not isinstance(item, str):
                raise self.wrong(table, key, f"must be a list of strings, has {item!r}")
        return tuple(given)

    def allow(self, grants: Iterable[str]) -> tuple[str, ...]:
        for grant in grants:
            try:
                Grant.parse(grant, "/")
            except UsageError as error:
                raise self.wrong("", "allow", f"is wrong: {error}") from error
        return tuple(grants)

    def limits(self, given: dict[str, Any]) -> dict[str, Any]:
        self.check_known("limits", given, (*Limits.__annotations__, "profile"))
        for name, value in given.items():
            try:
                Limits().updated({name: value})
            except UsageError as error:
                raise self.wrong("limits", name, f"is wrong: {error}") from error
        return expanded(given)

    def named(
        self, section: str, tables: dict[str, Any]
    ) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """The tables of a section: the name of each, where it is, and what it holds."""
        for name, values in tables.items():
            table = f"{section}.{name}"
            if not isinstance(values, dict):
                raise self.wrong(section, name, f"must be a table: write [{table}]")
            if not re.fullmatch(_TABLE_NAME, name):
                raise self.wrong(table, "", "has a name that is not letters, digits, _ - or .")
            yield name, table, values

    def providers(self, tables: dict[str, Any]) -> dict[str, ProviderSettings]:
        read = {}
        for name, table, values in self.named("providers", tables):
            if "api_key" in values:
                raise self.wrong(
                    table, "api_key", "is not read: name the variable that holds the key instead, "
                    "api_key_env = \"...\""
                )  # fmt: skip
            self.check_known(table, values, ("kind", "base_url", "api_key_env"))
            named = name if name in PROVIDER_KINDS else None
            kind = self.take(table, values, "kind", str, "a string") or named
            if kind not in PROVIDER_KINDS:
                kinds = f"one of {', '.join(PROVIDER_KINDS)}{near_miss(kind or '', PROVIDER_KINDS)}"
                raise self.wrong(table, "kind", f"must be {kinds}")
            base_url = self.url(table, values, "base_url")
            if kind == "openai_compatible" and base_url is None and name != kind:
                raise self.wrong(table, "base_url", "is missing: openai_compatible needs one")
            key = self.take(table, values, "api_key_env", str, "the name of a variable")
            read[name] = ProviderSettings(kind, base_url, key)
        return read

    def mcp(self, tables: dict[str, Any]) -> dict[str, McpSettings]:
        read = {}
        for name, table, values in self.named("mcp", tables):
            self.check_known(table, values, McpSettings._fields)
            url, command = self.url(table, values, "url"), self.strings(values, "command", table)
            if (url is None) == (not command):
                raise self.wrong(table, "", "must have either a url or a command")
            for key, other in (("headers", "url"), ("variables", "command")):
                if key in values and other not in values:
                    raise self.wrong(table, key, f"is for servers with a {other}")
            headers = self.headers(table, values)
            read[name] = McpSettings(
                url, headers, command, self.strings(values, "variables", table)
            )
        return read

    def headers(self, table: str, values: Mapping[str, Any]) -> dict[str, str]:
        given = self.take(table, values, "headers", dict, "a table") or {}
        for name, text in given.items():
            if not isinstance(text, str):
                raise self.wrong(table, "headers", f"{name} must be a string")
            if re.search(_CREDENTIAL, name, re.IGNORECASE) and not re.search(VARIABLE, text):
                raise self.wrong(
                    table, "headers", f"{name} holds a key: name the variable that has it "
                    "instead, such as \"Bearer ${TOKEN}\""
                )  # fmt: skip
        return given

    def one_of(self, values: Mapping[str, Any], key: str, known: Iterable[str]) -> str | None:
        listed = f"one of {', '.join(known)}"
        given: str | None = self.take("", values, key, str, listed)
        if given is not None and given not in known:
            raise self.wrong("", key, f"must be {listed}{near_miss(given, known)}")
        return given

    def url(self, table: str, values: Mapping[str, Any], key: str) -> str | None:
        url: str | None = self.take(table, values, key, str, "a string")
        if url is not None and not re.match(r"https?://[^/]", url):
            raise self.wrong(table, key, "must begin with http:// or https://")
        return url

    def tools(self, rules: dict[str, Any]) -> dict[str, str]:
        from .tools.approvals import DECISIONS

        for pattern, decision in rules.items():
            if decision not in DECISIONS:
                known = f"one of {', '.join(DECISIONS)}{near_miss(str(decision), DECISIONS)}"
                raise self.wrong("tools", pattern, f"must be {known}")
        return rules

    def check_known(self, table: str, values: Mapping[str, Any], known: Iterable[str]) -> None:
        for key in values:
            if key not in known:
                raise self.wrong(table, key, f"is not known{near_miss(key, known)}")

    def take(
        self, table: str, values: Mapping[str, Any], key: str, kind: Any, expected: str
    ) -> Any:
        value = values.get(key)
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            raise self.wrong(table, key, f"must be {expected}, got {value!r}")
        return value

    def wrong(self, table: str, key: str, what: str) -> ConfigError:
        line = self.line_of(table, key)
        where = f"{self.path}:{line}" if line else str(self.path)
        return ConfigError(f"{where}: {'.'.join(filter(None, (table, key)))} {what}")

    def line_of(self, table: str, key: str) -> int | None:
        """Where the key stands, when it is written as `key =` below its `[table]`."""
        inside, header = "", None
        wanted = ".".join(filter(None, (table, key)))
        for number, line in enumerate(self.text.splitlines(), 1):
            if heading := re.match(r"\s*\[+([^\[\]]+)\]", line):
                inside = re.sub(r"[\s\"']", "", heading[1])
                if f"{inside}.".startswith(f"{wanted}."):
                    return number
                header = number if inside == table else header
            elif inside == table and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line):
                return number
        return header


class Environment:
    """The variables of the process, over those of a `.env` file in `cwd`.

    `also_secret` names variables that hold keys although their name does not say so.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        cwd: str | os.PathLike[str] | None = None,
        also_secret: Iterable[str] = (),
    ) -> None:
        dotenv = _read_dotenv(cwd)
        # Which of them are secret is only looked at when somebody asks.
        self.variables = {name: Secret(value) for name, value in {**dotenv, **environ}.items()}
        self._only_in_dotenv = dotenv.keys() - environ.keys()
        self._also_secret = frozenset(also_secret)

    def __repr__(self) -> str:
        return f"<Environment of {len(self.variables)} variables>"

    def get(self, name: str) -> str | None:
        """The value for the host's own use; None when unset or empty."""
        return self.secret(name).reveal() or None

    def secret(self, name: str) -> Secret:
        """The same as what shows itself as ***; an empty one when it is unset."""
        return self.variables.get(name) or Secret("")

    def in_dotenv(self, name: str) -> bool:
        """Whether the value comes from `.env`, which may be somebody else's."""
        return name in self._only_in_dotenv

    def public(self, name: str) -> str | None:
        """The value as a script may see it. Raises Denied for one that looks secret."""
        if self.is_secret(name):
            raise Denied(f"{name} looks like a secret: scripts cannot read it")
        return self.variables[name].reveal() if name in self.variables else None

    def is_secret(self, name: str) -> bool:
        """Whether the variable holds a secret, or would when it were set."""
        return name in self._also_secret or is_secret(name, self.secret(name).reveal())

    @cached_property
    def filter(self) -> Filter:
        """What takes the secrets of the environment out of text."""
        return Filter(value for name, value in self.variables.items() if self.is_secret(name))

    def redact(self, text: str) -> str:
        """The text with every secret value of the environment replaced by `***`."""
        return self.filter.text(text)


def _read_dotenv(cwd: str | os.PathLike[str] | None) -> dict[str, str]:
    path = os.path.join(cwd, ".env") if cwd is not None else ""
    if not os.path.isfile(path):
        return {}
    from dotenv import dotenv_values

    try:
        values = dotenv_values(path, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    return {name: value for name, value in values.items() if value is not None}
