"""Which tools may be used: rules on their names, and a person who is asked.

    tools = { "*" = "allow", "file_*" = "ask", "process_exec" = "deny" }

The last rule that matches a name wins. `ask` puts the call to whoever runs the spell; where nobody
can be asked it is refused. A script may add rules, which can only make those of the host stricter.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from ...errors import BadArgument, UsageError, near_miss
from ..failures import failure_of

DECISIONS = ("allow", "ask", "deny")
"""What a rule may say, from the mildest to the strictest."""

MAX_RULES = 256
MAX_PATTERN = 64
"""Rules of a script, and characters of a pattern: as many as a name has."""


class ToolRequest(NamedTuple):
    """A call of a tool that a person is asked about.

    name, description: the tool; a script writes the text of its own.
    args: what it is called with.
    origin: "builtin", "host", "script" or what else gave the tool.
    run_id: the run that wants it.
    """

    name: str
    description: str
    args: dict[str, Any]
    origin: str
    run_id: str


Approve = Callable[[ToolRequest], bool | Awaitable[bool]]


class Rule(NamedTuple):
    """What is decided for the tools whose name a pattern fits."""

    pattern: str
    decision: str


class Approvals:
    """The rules of a session, and whom to ask. Raises UsageError for a rule that is none."""

    def __init__(
        self, rules: Mapping[str, str] | None = None, approve: Approve | None = None
    ) -> None:
        self.rules = tuple(Rule(*item) for item in (rules or {}).items())
        for rule in self.rules:
            if rule.decision not in DECISIONS:
                known = f"{', '.join(DECISIONS)}{near_miss(str(rule.decision), DECISIONS)}"
                raise UsageError(f"rule of {rule.pattern!r}: must be one of {known}")
        self._approve = approve

    async def ask(self, request: ToolRequest) -> bool | None:
        """Whether a person agrees; None when nobody can be asked."""
        if self._approve is None:
            return None
        try:
            answer = self._approve(request)
            return bool(await answer if inspect.isawaitable(answer) else answer)
        except Exception as error:
            raise failure_of(f"{request.name}: approve", error) from error


class Restrictions:
    """The rules of one run: those of its session, and stricter ones of the script.

    above: those of the run that this one is nested in, which hold here too.
    """

    def __init__(self, approvals: Approvals) -> None:
        self.approvals = approvals
        self.above: Restrictions | None = None
        self._own: list[Rule] = []

    def add(self, pattern: str, decision: str) -> None:
        """Adds a rule of the script."""
        if not 0 < len(pattern) <= MAX_PATTERN:
            raise BadArgument(f"a pattern must have 1 to {MAX_PATTERN} characters")
        if len(self._own) == MAX_RULES:
            raise BadArgument(f"a script has at most {MAX_RULES} rules")
        self._own.append(Rule(pattern, decision))

    def decide(self, name: str, origin: str, confirm: bool) -> Rule:
        """The rule that holds for a tool; one of `confirm` is asked about unless the host says."""
        usual = Rule("requires_confirmation", "ask" if confirm else "allow")
        own = usual if origin == "script" else Rule("", "allow")
        hosts = _last(self.approvals.rules, name, Rule("", "allow") if own is usual else usual)
        own = max(own, _last(self._own, name, own), key=strictness)
        if self.above is not None:
            own = max(own, self.above.decide(name, origin, confirm), key=strictness)
        return max(hosts, own, key=strictness)


def strictness(rule: Rule) -> int:
    """How much a rule forbids, to compare it with others."""
    return DECISIONS.index(rule.decision)


def _last(rules: Iterable[Rule], name: str, default: Rule) -> Rule:
    """The last rule that matches."""
    found = default
    for rule in rules:
        if fnmatchcase(name, rule.pattern):
            found = rule
    return found
