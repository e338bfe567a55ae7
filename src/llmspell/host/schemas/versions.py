"""The schemas a script keeps by name, each with its versions, and how values move between them.

They live as long as the run; `export` gives them as plain data, to be written to a file, and
`load` takes them back.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ...errors import BadArgument, CapabilityError, HostFailure, NotFound, near_miss
from ...values import FunctionRef
from ..errors import run
from . import schema as schemas

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")

MAX_NAMES = 256

MAX_VERSIONS = 1000
"""Versions of one schema; the newest has the highest number."""

MAX_SIZE = 4 * 1024 * 1024
"""Characters of all schemas of a run together."""

WEIGHT = 4
"""Bytes of memory for each character of a schema, at least."""

MAX_MIGRATIONS = 1000


@dataclass(frozen=True, slots=True)
class SchemaEntry:
    """A schema that is kept.

    name: its name.
    current: the version that is meant when none is named.
    versions: the numbers of all its versions.
    """

    name: str
    current: int
    versions: list[int]


@dataclass(frozen=True, slots=True)
class SchemaVersion:
    """A version of a schema.

    version: its number.
    current: whether it is the one that is meant when none is named.
    schema: the JSON Schema.
    """

    version: int
    current: bool
    schema: dict[str, Any]


@dataclass(slots=True)
class _Kept:
    current: int = 0
    versions: dict[int, dict[str, Any]] = field(default_factory=dict)


def _size(schema: dict[str, Any]) -> int:
    return 32 + len(json.dumps(schema, ensure_ascii=False))


class Repository:
    """The schemas of one run by name and version."""

    def __init__(self, hold: Callable[[int], None] = lambda size: None) -> None:
        """`hold` is told of the bytes that are kept from now on, about."""
        self._hold = hold
        self._kept: dict[str, _Kept] = {}
        self._migrations: dict[str, dict[tuple[int, int], FunctionRef]] = {}
        self._size = self._steps = 0

    def save(self, name: str, schema: dict[str, Any]) -> int:
        """Keeps a schema as the newest version and the current one. Gives its number.

        One that is equal to the newest version is that version.
        """
        if NAME.fullmatch(name) is None:
            raise BadArgument(
                f"{name!r} cannot name a schema: use up to 64 letters, digits, . _ or -, "
                "starting with a letter"
            )
        if name not in self._kept and len(self._kept) == MAX_NAMES:
            raise BadArgument(f"{name}: a script keeps at most {MAX_NAMES} schemas")
        kept = self._kept.get(name) or _Kept()
        newest = max(kept.versions, default=0)
        if newest and kept.versions[newest] == schema:
            return newest
        if len(kept.versions) == MAX_VERSIONS:
            raise BadArgument(f"{name}: a schema has at most {MAX_VERSIONS} versions")
        size = _size(schema)
        if self._size + size > MAX_SIZE:
            raise BadArgument(f"{name}: the schemas are longer than {MAX_SIZE} characters together")
        self._hold(WEIGHT * size)
        self._size += size
        self._kept[name] = kept
        kept.current = newest + 1
        kept.versions[kept.current] = schema
        return kept.current

    def _find(self, name: str) -> _Kept:
        kept = self._kept.get(name)
        if kept is None:
            raise NotFound(f"there is no schema {name}{near_miss(name, self._kept)}")
        return kept

    def version(self, name: str, version: int | None) -> tuple[int, dict[str, Any]]:
        """A version, or the current one, with its number. Raises NotFound."""
        kept = self._find(name)
        number = kept.current if version is None else version
        if number not in kept.versions:
            shown = ", ".join(map(str, list(kept.versions)[-10:]))
            raise NotFound(f"the schema {name} has no version {number}: it has {shown}")
        return number, kept.versions[number]

    def entries(self) -> list[SchemaEntry]:
        """Every schema, sorted by name."""
        return [
            SchemaEntry(name, kept.current, list(kept.versions))
            for name, kept in sorted(self._kept.items())
        ]

    def versions(self, name: str) -> list[SchemaVersion]:
        """Every version of a schema, oldest first."""
        kept = self._find(name)
        return [
            SchemaVersion(number, number == kept.current, schema)
            for number, schema in kept.versions.items()
        ]

    def delete(self, name: str, version: int | None) -> None:
        """Forgets a schema, or one version of it. With the last one the schema is gone."""
        kept = self._find(name)
        gone = list(kept.versions) if version is None else [self.version(name, version)[0]]
        for number in gone:
            size = _size(kept.versions.pop(number))
            self._hold(-WEIGHT * size)
            self._size -= size
        if not kept.versions:
            del self._kept[name]
            self._steps -= len(self._migrations.pop(name, {}))
        elif kept.current in gone:
            kept.current = max(kept.versions)

    def set_current(self, name: str, version: int) -> None:
        """Makes a version the one that is meant when none is named."""
        number, _ = self.version(name, version)
        self._kept[name].current = number

    def export(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {
            name: {
                "current": kept.current,
                "versions": {str(number): schema for number, schema in kept.versions.items()},
            }
            for name, kept in sorted(self._kept.items())
        }

    def load(self, data: dict[str, Any]) -> list[str]:
        """Takes what `export` gave, all or nothing; a schema of the same name is replaced."""
        made = Repository()
        for name, entry in data.items():
            versions = entry.get("versions") if isinstance(entry, dict) else None
            if not isinstance(versions, dict) or not versions:
                raise BadArgument(f"schema.import: data.{name} must have versions, a map")
            for text, schema in sorted(versions.items(), key=lambda item: _number(name, item[0])):
                if not isinstance(schema, dict | str):
                    raise BadArgument(f"schema.import: data.{name}.versions.{text} is no schema")
                where = f"data.{name}.versions.{text}"
                number, read = _number(name, text), schemas.read(schema, where)
                known = len(made._kept[name].versions) if name in made._kept else 0
                made.save(name, read)
                kept = made._kept[name]
                if len(kept.versions) > known:
                    del kept.versions[kept.current]
                else:  # equal to the one before, which `save` takes for the same
                    made._size += _size(read)
                kept.versions[number] = read
                kept.current = number
            current = entry.get("current")
            if current is not None:
                if not isinstance(current, int):
                    raise BadArgument(f"schema.import: data.{name}.current must be an integer")
                made.set_current(name, current)
        kept_too = {name: kept for name, kept in self._kept.items() if name not in made._kept}
        size = sum(_size(s) for kept in kept_too.values() for s in kept.versions.values())
        if size + made._size > MAX_SIZE or len(kept_too) + len(made._kept) > MAX_NAMES:
            raise BadArgument("schema.import: data has more schemas than a script can keep")
        self._hold(WEIGHT * (size + made._size - self._size))
        self._kept = kept_too | made._kept
        self._size = size + made._size
        return sorted(made._kept)

    def register_migration(self, name: str, before: int, after: int, step: FunctionRef) -> None:
        """Has `step` turn values of one version into values of another."""
        for version in (before, after):
            self.version(name, version)
        if before == after:
            raise BadArgument(f"{name}: a migration leads from one version to another")
        if self._steps == MAX_MIGRATIONS:
            raise BadArgument(f"{name}: a script has at most {MAX_MIGRATIONS} migrations")
        steps = self._migrations.setdefault(name, {})
        self._steps += (before, after) not in steps
        steps[before, after] = step

    async def migrate(self, name: str, value: Any, before: int, after: int | None) -> Any:
        """Takes a value through the steps from one version to another, the fewest there are.

        What comes out is checked. Raises HostFailure(code="migration") when there is no way, or
        the outcome does not fit.
        """
        self.version(name, before)
        wanted, schema = self.version(name, after)
        for step in self._way(name, before, wanted):
            value = await run(step, value)
        value = schemas.mended(value, schema)
        faults = schemas.validator(schema).faults(value)
        if faults:
            told = "; ".join(map(str, faults))
            raise HostFailure(
                f"what the migration of {name} to version {wanted} gave does not fit: {told}",
                code="migration",
            )
        return value

    def _way(self, name: str, before: int, after: int) -> list[FunctionRef]:
        steps = self._migrations.get(name, {})
        came: dict[int, int] = {before: before}
        waiting = deque([before])
        while waiting and after not in came:
            here = waiting.popleft()
            for begin, end in steps:
                if begin == here and end not in came:
                    came[end] = here
                    waiting.append(end)
        if after not in came:
            raise _no_way(name, before, after)
        way = []
        while after != before:
            way.append(steps[came[after], after])
            after = came[after]
        return way[::-1]


def _no_way(name: str, before: int, after: int) -> CapabilityError:
    return HostFailure(
        f"no migration of {name} leads from version {before} to {after}: "
        f'register one with schema.register_migration("{name}", {before}, {after}, ...)',
        code="migration",
    )


def _number(name: str, text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,8}", text):
        raise BadArgument(f"schema.import: data.{name}.versions has {text!r}, which is no number")
    return int(text)
