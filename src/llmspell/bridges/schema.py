"""schema: descriptions of data. A schema is JSON Schema as a map, or short text.

The text "name, age int, tags: list of string" is an object with three fields. A field is a name,
`?` when it may be left out, a type and what it is in parentheses; types are string, int, number,
bool, any, date, datetime, url, email, uuid, `list of` and `map of` a type, `{fields}`, and choices
such as `open | closed`. `int 1..5` has bounds, and so have `string 1..80` and `list of int 1..3`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..capability import capability
from ..host.context import Context
from ..host.schemas import algebra as schema_algebra
from ..host.schemas import schema as schemas
from ..host.schemas.algebra import Change
from ..host.schemas.versions import SchemaEntry, SchemaVersion
from ..typespec import JsonSchema
from ..values import FunctionRef


@dataclass(frozen=True, slots=True)
class SchemaFault:
    """One thing that is wrong with a value.

    path: where in the value, such as "items[2].name"; "" for the whole.
    message: what is wrong there.
    """

    path: str
    message: str


@dataclass(frozen=True, slots=True)
class Validation:
    """What came of a check.

    valid: whether the value fits.
    errors: what is wrong with it, 10 faults at most.
    """

    valid: bool
    errors: list[SchemaFault]


@dataclass(frozen=True, slots=True)
class OpenApiOptions:
    """What stands at the head of the document.

    title: its title.
    version: its version.
    """

    title: str = "Schemas"
    version: str = "1.0.0"


@capability("schema.parse", since="0.1", beside=8000)
def parse(ctx: Context, definition: JsonSchema | str) -> dict[str, Any]:
    """Gives the JSON Schema of short text; one that is given as a map is checked.

    definition: the schema.
    returns: JSON Schema. What is no schema is refused, with the place of the mistake.
    """
    return schemas.read(definition, "definition")


@capability("schema.validate", since="0.1", beside=8000)
def validate(ctx: Context, value: Any, schema: JsonSchema | str) -> Validation:
    """Checks a value against a schema.

    value: the value.
    schema: the schema.
    returns: whether it fits, and where it does not.
    """
    read = schemas.read(schema)
    faults = schemas.validator(read).faults(schemas.mended(value, read))
    return Validation(not faults, [SchemaFault(*fault) for fault in faults])


@capability("schema.infer", since="0.1", beside=8000)
def infer(ctx: Context, examples: list[Any]) -> dict[str, Any]:
    """Works out a schema that several examples fit. A field that all of them have is required.

    examples: values, at least one.
    returns: JSON Schema.
    """
    return schema_algebra.infer(examples)


@capability("schema.merge", since="0.1", beside=8000)
def merge(ctx: Context, schemas: list[JsonSchema | str]) -> dict[str, Any]:
    """Makes one schema with the properties of several. Where they differ the later one counts.

    schemas: the schemas, at most 64.
    returns: JSON Schema.
    """
    return schema_algebra.merge(_all(schemas))


@capability("schema.diff", since="0.1", beside=8000)
def diff(ctx: Context, before: JsonSchema | str, after: JsonSchema | str) -> list[Change]:
    """Lists what is different between two schemas.

    before: the old schema.
    after: the new schema.
    returns: the changes, each with its path, and whether it may refuse values that fitted before.
    """
    return schema_algebra.diff(schemas.read(before, "before"), schemas.read(after, "after"))


@capability("schema.to_openapi", since="0.1", beside=8000)
def to_openapi(
    ctx: Context,
    schemas: dict[str, JsonSchema | str],
    options: OpenApiOptions = OpenApiOptions(),
) -> dict[str, Any]:
    """Writes schemas as the components of an OpenAPI 3.1 document.

    schemas: the schemas by name.
    options: its title and version.
    returns: the document.
    """
    read = dict(zip(schemas, _all(list(schemas.values())), strict=True))
    return schema_algebra.to_openapi(read, options.title, options.version)


@capability("schema.save", since="0.1", again=True)
def save(ctx: Context, name: str, schema: JsonSchema | str) -> int:
    """Keeps a schema under a name until the spell ends, as its newest and current version.

    name: its name; letters, digits, . _ and -.
    schema: the schema. One that is equal to the newest version is no new version.
    returns: the number of the version, from 1.
    """
    return ctx.schemas.save(name, schemas.read(schema))


@capability("schema.get", since="0.1", again=True)
def get(ctx: Context, name: str, version: int | None = None) -> dict[str, Any]:
    """Gives a schema that was saved.

    name: its name.
    version: which version; the current one when left out.
    returns: JSON Schema.
    """
    return ctx.schemas.version(name, version)[1]


@capability("schema.list", since="0.1", again=True)
def list_(ctx: Context) -> list[SchemaEntry]:
    """Lists the schemas that were saved.

    returns: the names with their versions, sorted.
    """
    return ctx.schemas.entries()


@capability("schema.versions", since="0.1", again=True)
def versions(ctx: Context, name: str) -> list[SchemaVersion]:
    """Lists the versions of a schema.

    name: its name.
    returns: every version, oldest first.
    """
    return ctx.schemas.versions(name)


@capability("schema.delete", since="0.1", again=True)
def delete(ctx: Context, name: str, version: int | None = None) -> None:
    """Forgets a schema.

    name: its name.
    version: which version; all of them when left out.
    """
    ctx.schemas.delete(name, version)


@capability("schema.set_current", since="0.1", again=True)
def set_current(ctx: Context, name: str, version: int) -> None:
    """Makes a version the one that is meant when none is named.

    name: name of the schema.
    version: the version.
    """
    ctx.schemas.set_current(name, version)


@capability("schema.export", since="0.1", again=True)
def export(ctx: Context) -> dict[str, Any]:
    """Gives all schemas with all versions as plain data, to be kept in a file.

    returns: what `schema.import` takes.
    """
    return ctx.schemas.export()


@capability("schema.import", since="0.1", again=True)
def import_(ctx: Context, data: dict[str, Any]) -> list[str]:
    """Takes schemas that were exported. Those of the same name are replaced.

    data: what `schema.export` gave.
    returns: the names it had, sorted.
    """
    return ctx.schemas.load(data)


@capability("schema.register_migration", since="0.1", again=True)
def register_migration(ctx: Context, name: str, before: int, after: int, step: FunctionRef) -> None:
    """Has a function turn values of one version of a schema into values of another.

    name: name of the schema.
    before: the version it takes.
    after: the version it gives.
    step: is given the value and gives the new one.
    """
    ctx.schemas.register_migration(name, before, after, step)


@capability("schema.migrate", since="0.1", again=True)
async def migrate(
    ctx: Context, name: str, value: Any, before: int, after: int | None = None
) -> Any:
    """Turns a value of one version into one of another, step by step, and checks the outcome.

    name: name of the schema.
    value: the value.
    before: the version it fits.
    after: the version that is wanted; the current one when left out.
    returns: the new value.
    """
    return await ctx.schemas.migrate(name, value, before, after)


def _all(given: list[Any]) -> list[dict[str, Any]]:
    return [schemas.read(schema, f"schemas[{i}]") for i, schema in enumerate(given, 1)]
