"""Calls that calls of the script make, while it is not known whether they were made before.

A call that is made again may make several at the same time. Each claims its answer of the
checkpoint by what it asks; of several that ask the same, by the place in which it was made.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import NamedTuple

from ..host.tasks import STRAND
from .checkpoint import Inner


class Claim(NamedTuple):
    """A call for the call number `of` of the script, from a place; `found` gets what it has."""

    of: int
    place: str
    name: str
    args: str
    found: asyncio.Future[Inner | None]


class Claims:
    """The claims of a run that is restored, in the order in which they were made."""

    def __init__(self) -> None:
        self._claims: list[Claim] = []
        self._issued: dict[int, Counter[str]] = {}

    def __len__(self) -> int:
        return len(self._claims)

    def place(self, owner: int) -> str:
        """Where the next call for a call of the script is made: its strand, and a number there."""
        strand, issued = STRAND.get(), self._issued.setdefault(owner, Counter())
        issued[strand] += 1
        return f"{strand}#{issued[strand]}"

    def forget(self, owner: int) -> None:
        """A call of the script is over."""
        self._issued.pop(owner, None)

    def add(self, owner: int, place: str, name: str, args: str) -> Claim:
        """Claims an answer."""
        claim = Claim(owner, place, name, args, asyncio.get_running_loop().create_future())
        self._claims.append(claim)
        return claim

    def remove(self, claim: Claim) -> None:
        """Nobody waits for it any more."""
        self._claims = [other for other in self._claims if other is not claim]

    def first(self, owner: int) -> Claim | None:
        """The first for a call of the script that has nothing yet."""
        return next((c for c in self._claims if c.of == owner and not c.found.done()), None)

    def give(self, event: Inner) -> bool:
        """Gives an answer to who claims it. Tells whether there is one."""
        args = json.loads(event.args)
        same = [
            claim
            for claim in self._claims
            if (claim.of, claim.name) == (event.of, event.name)
            and not claim.found.done()
            and json.loads(claim.args) == args
        ]
        if same:
            claim = next((claim for claim in same if claim.place == event.place), same[0])
            claim.found.set_result(event)
        return bool(same)

    def give_up(self) -> None:
        """There are no more answers: every other call is made."""
        for claim in self._claims:
            if not claim.found.done():
                claim.found.set_result(None)
