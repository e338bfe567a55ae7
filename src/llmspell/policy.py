"""May it? Grants, the levels that are named sets of them, and the one check.

A grant is `kind:pattern`, or just `kind` for everything of that kind:

    fs.read:./docs/**   fs.write:out/*   fs:~/notes/**   net:api.openai.com   net:localhost:8080
    llm:openai/*        tool:web_*       env:HOME        exec

A pattern that starts with "!" (`!fs.read:./docs/private/**`) denies, and deny wins.
`*` in `net:*` covers public hosts only: a private address must be granted by name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import NamedTuple

from .errors import Denied, UsageError

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

LEVELS: dict[str, tuple[str, ...]] = {
    "untrusted": (),
    "trusted": ("llm", "tool", "net:*", "fs:./**", "env"),
    "privileged": ("llm", "tool", "net:*", "fs:/**", "env", "exec"),
}
"""The grants of each level. Reasons: `untrusted` is for spells nobody reviewed, so nothing;
`trusted` is for your own spells, so the folder they run in but not your home;
`privileged` is for administration."""


ISOLATIONS = ("none", "process")
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
        kind, _, pattern = text.removeprefix("!").partition(":")
        if kind not in KINDS:
            known = ", ".join(KINDS)
            raise UsageError(f"{text!r} is not a grant: the kind must be one of {known}")
        if kind.startswith("fs"):
            path = os.path.normpath(os.path.join(base, os.path.expanduser(pattern or "/**")))
            pattern = path + "/**" if pattern.endswith("/") and path != "/" else path
        return cls(kind, pattern or "*", text.startswith("!"))

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


class Policy:
    """The grants of one run. Deny by default; a denying grant wins over any other."""

    def __init__(self, level: str, allow: Iterable[str] = (), base: str = ".") -> None:
        if level not in LEVELS:
            raise UsageError(f"{level!r} is not a level: use one of {', '.join(LEVELS)}")
        self.level = level
        self.base = os.path.realpath(base)
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
    wish = f"{kind}:{resource}" if resource else kind
    return Denied(f"no grant for {wish}; allow it with --allow {wish}")


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
