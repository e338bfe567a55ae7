"""json: text to values and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..capability import capability
from ..host.context import Context
from ..host.formats import documents


@dataclass(frozen=True, slots=True)
class EncodeOptions:
    """How to write JSON.

    pretty: whether to indent it for people.
    """

    pretty: bool = False


@capability("json.encode", since="0.1", tool="json_stringify", beside=64000)
def encode(ctx: Context, value: Any, options: EncodeOptions = EncodeOptions()) -> str:
    """Writes a value as JSON text. Keys of a script's map come sorted.

    value: any value; an empty table is a list.
    options: how to write it.
    returns: the text.
    """
    return documents.to_json(value, options.pretty)


@capability("json.decode", since="0.1", tool="json_parse", beside=64000)
def decode(ctx: Context, text: str) -> Any:
    """Reads JSON text. In a list, JSON's null is the value `null`; in a map it is no entry.

    text: the JSON text.
    returns: the value it stands for.
    """
    return documents.from_json(text)
