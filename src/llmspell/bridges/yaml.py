"""yaml: documents as text."""

from __future__ import annotations

from typing import Any

from ..capability import capability
from ..host.context import Context
from ..host.formats import yaml


@capability("yaml.decode", since="0.1", tool="yaml_parse", beside=2000)
def decode(ctx: Context, text: str) -> Any:
    """Reads a YAML 1.2 document: `no` and dates are text. Keys are text, tags of one's own are
    refused, and aliases count as often as they are used.

    text: the document.
    returns: the value it stands for.
    """
    return yaml.read(text)


@capability("yaml.encode", since="0.1", tool="yaml_format", beside=2000)
def encode(ctx: Context, value: Any) -> str:
    """Writes a value as YAML. Keys of a script's map come sorted.

    value: any value but bytes.
    returns: the text.
    """
    return yaml.write(value)
