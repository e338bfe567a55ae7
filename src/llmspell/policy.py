"""May it? Grants, the levels that are named sets of them, and the one check.

A grant is `kind:pattern`, or just `kind` for everything of that kind:

    fs.read:./docs/**   fs.write:out/*   fs:~/notes/**   net:api.openai.com   net:localhost:8080
    llm:openai/*        tool:web_*       env:HOME        exec

A pattern that starts with "!" (`!fs.read:./docs/private/**`) denies, and deny wins.
`*` in `net:*` covers public hosts only: a private address must be granted by name.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from .errors import Denied, UsageError, near_miss

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

    Address = IPv4Address | IPv6Address

KINDS = {
    "fs": "read and write files (path pattern, ** crosses folders)",
    "fs.read": "read files",
    "fs.write": "write, move and delete files",
    "net": "talk to network hosts (host or host:port pattern)",
    "llm": "ask models (provider/model pattern)",
    "tool": "run tools (name pattern)",
    "env": "read environment variables (name pattern)",
    "exec": "start programs",
}
"""Every kind of grant and what it permits."""

RESOURCES = {
    **dict.fromkeys(("fs", "fs.read", "fs.write"), "PATH"),
    "net": "HOST",
    "llm": "PROVIDER/MODEL",
    "tool": "NAME",
    "env": "NAME",
    "exec": "PROGRAM",
}
"""What stands after the colon of a grant of each kind."""

LEVELS: dict[str, tuple[str, ...]] = {
    "untrusted": (),
    "trusted": ("llm", "tool", "net:*", "fs:./**", "env"),
    "privileged": ("llm", "tool", "net:*", "fs:/**", "env", "exec"),
}
"""The grants of each level. Reasons: `untrusted` is for spells nobody reviewed, so nothing;
`trusted` is for your own spells, so the folder they run in but not your home;
`privileged` is for administration."""


Isolation = Literal["none", "process"]
ISOLATIONS: tuple[str, ...] = get_args(Isolation)
"""Where an engine works: in this process, or in a worker that can do nothing else. `untrusted`
always has the second."""


class Grant(NamedTuple):
    """One permission. `pattern` is absolute for files; `deny` takes away instead."""

    kind: str
    pattern: str
    deny: bool = False

    @classmethod
    def parse(cls, text: str, base: str) -> Grant:
        """Reads `kind:pattern`; file patterns are resolved against the folder `base`."""
        if not isinstance(text, str):
            raise UsageError(f"a grant must be text, got {type(text).__name__}")
        mark = "!" if text.startswith("!") else ""
        kind, colon, pattern = text.removeprefix(mark).partition(":")
        if kind not in KINDS:
            known, meant = ", ".join(KINDS), near_miss(kind, KINDS)
            raise UsageError(f"{text!r} is not a grant: the kind must be one of {known}{meant}")
        if colon and not pattern:  # a variable of a shell that is not set must not grant all
            raise UsageError(
                f"{text!r} is not a grant: write {mark}{kind}:{RESOURCES[kind]}, "
                f"or {mark}{kind} for all"
            )
        if kind.startswith("fs"):
            path = os.path.normpath(os.path.join(base, os.path.expanduser(pattern or "/**")))
            pattern = path + "/**" if pattern.endswith("/") and path != "/" else path
        if kind == "net":
            if "/" in pattern:
                host = pattern.rpartition("://")[2].partition("/")[0] or "HOST"
                ranged = re.fullmatch(r"[^/]*/\d+", pattern) and literal(host.strip("[]"))
                named = "a range of addresses" if ranged else "an address of the web"
                meant = "name each" if ranged else f"write {mark}net:{host}"
                raise UsageError(f"{text!r} is not a grant: it names {named}, not a host; {meant}")
            pattern = _spelled(pattern, bool(mark))
        return cls(kind, pattern or "*", bool(mark))

    def covers(self, kind: str, resource: str) -> bool:
        """Whether this grant speaks of `resource` (a real absolute path for files)."""
        if kind == "net.private":
            host, _, _ = resource.lower().rpartition(":")
            named = self.pattern.lower() in (host, host.strip("[]"), resource.lower())
            return self.kind == "net" and named
        if self.kind != kind and not (self.kind == "fs" and kind.startswith("fs.")):
            return False
        if kind.startswith("fs"):
            return _path_pattern(self.pattern).fullmatch(resource) is not None
        if kind == "net":
            return _host(self.pattern, resource)
        return fnmatchcase(resource, self.pattern)


def real_folder(path: str = ".") -> str:
    """The absolute path of a folder, links followed. Raises UsageError if nothing leads there."""
    try:
        return os.path.realpath(path)
    except FileNotFoundError:
        raise UsageError("the current folder is gone: go to one that is there") from None


class Policy:
    """The grants of one run. Deny by default; a denying grant wins over any other."""

    def __init__(self, level: str, allow: Iterable[str] = (), base: str = ".") -> None:
        if not isinstance(level, str) or level not in LEVELS:
            known, meant = ", ".join(LEVELS), near_miss(str(level), LEVELS)
            raise UsageError(f"{level!r} is not a level: use one of {known}{meant}")
        if isinstance(allow, str):
            raise UsageError(f"allow must be a list of grants; write [{allow!r}]")
        if not hasattr(allow, "__iter__"):
            raise UsageError(f"allow must be a list of grants, got {type(allow).__name__}")
        self.level = level
        self.base = real_folder(base)
        self.grants = tuple(Grant.parse(text, self.base) for text in (*LEVELS[level], *allow))

    def allows(self, kind: str, resource: str) -> bool:
        """Whether `resource` may be used as `kind`."""
        verdicts = [grant.deny for grant in self.grants if grant.covers(kind, resource)]
        return bool(verdicts) and not any(verdicts)

    def any(self, kind: str) -> bool:
        """Whether any grant of this kind exists: which resource is known only later."""
        return any(
            not g.deny and (g.kind == kind or (g.kind == "fs" and kind.startswith("fs.")))
            for g in self.grants
        )

    def reaches(self, kind: str, start: str) -> bool:
        """Whether a grant may cover something whose name begins with `start`."""
        fixed = [
            re.split(r"[*?[]", g.pattern)[0] for g in self.grants if g.kind == kind and not g.deny
        ]
        return any(name.startswith(start) or start.startswith(name) for name in fixed)

    def demand(self, kind: str, resource: str) -> None:
        """Raises Denied, saying which grant would allow it, unless `allows`."""
        if not self.allows(kind, resource):
            raise denial(kind, self.shown(kind, resource))

    def shown(self, kind: str, resource: str) -> str:
        """The resource as a user would write it in a grant."""
        if kind.startswith("fs") and resource.startswith(self.base + os.sep):
            return "./" + os.path.relpath(resource, self.base)
        return resource


def denial(kind: str, resource: str = "") -> Denied:
    """The error for a missing grant."""
    if kind == "net.private":
        return Denied(
            f"{resource} is not a public address; allow it by name with --allow net:{resource}"
        )
    if not resource:  # refused before it is known: a whole kind is more than most spells need
        return Denied(f"no grant for {kind}; allow it with --allow {kind}:{RESOURCES[kind]}")
    return Denied(f"no grant for {kind}:{resource}; allow it with --allow {kind}:{resource}")


def literal(host: str) -> Address | None:
    """The address that a host is written as; None when it is a name."""
    import ipaddress
    import socket

    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    # 127.1, 2130706433, 0x7f000001: resolvers take these for addresses, so they are.
    if re.fullmatch(r"\d[0-9a-fA-FxX.]*", host):
        with contextlib.suppress(OSError):
            return ipaddress.ip_address(socket.inet_aton(host))
    return None


def _spelled(pattern: str, denies: bool) -> str:
    """A pattern of hosts in the spelling hosts are asked for in, however the user writes it.

    Without this, a denial of "example.org." or of a name with other letters would deny nothing.
    """
    if pattern.startswith("[") or pattern.count(":") > 1:
        inner, bracket, port = pattern.removeprefix("[").partition("]")
        if (address := literal(inner)) is None:
            return pattern  # it has wildcards
        return f"[{address}]{port}" if bracket else str(address)
    host, colon, port = pattern.partition(":")
    host = host.rstrip(".") or host
    if denies and (address := literal(host)) is not None:
        host = str(address)  # who is asked for as 127.1 is asked for as 127.0.0.1 too
    elif not host.isascii():
        from unicodedata import normalize

        import idna

        try:
            host = ".".join(
                label if label.isascii() else idna.alabel(normalize("NFC", label.lower())).decode()
                for label in re.split("[.\u3002\uff0e\uff61]", host)
            ).rstrip(".")
        except idna.IDNAError as error:
            raise UsageError(f"{pattern!r} is not the name of a host: {error}") from None
    return host + colon + port


def _host(pattern: str, resource: str) -> bool:
    host, _, _ = resource.lower().rpartition(":")
    pattern = pattern.lower()
    if pattern.startswith("["):
        return pattern in (host, resource.lower())
    return fnmatchcase(host.strip("[]"), pattern) or fnmatchcase(resource.lower(), pattern)


@lru_cache(maxsize=512)
def _path_pattern(pattern: str) -> re.Pattern[str]:
    """`**` crosses folders, `*` and `?` do not; `dir/**` covers dir itself."""
    out = []
    for part in re.split(r"(/\*\*$|\*\*/|\*\*|\*|\?)", pattern):
        match part:
            case "/**":
                out.append("(/.*)?")
            case "**/":
                out.append("(.*/)?")
            case "**":
                out.append(".*")
            case "*":
                out.append("[^/]*")
            case "?":
                out.append("[^/]")
            case _:
                out.append(re.escape(part))
    return re.compile("".join(out), re.DOTALL)
