"""xml: documents as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..capability import capability
from ..host.context import Context
from ..host.formats import xml


@dataclass(frozen=True, slots=True)
class XmlOptions:
    """How to write XML.

    pretty: whether to indent it for people.
    """

    pretty: bool = False


@capability("xml.decode", since="0.1", tool="xml_parse", beside=2000)
def decode(ctx: Context, text: str) -> dict[str, Any]:
    """Reads an XML document. An element is its text, or a map: attributes are under "@name",
    children under their name (a list when there are several), text beside them under "#text".
    A document type is refused, and with it entities.

    text: the document.
    returns: a map with its root element.
    """
    return xml.read(text)


@capability("xml.encode", since="0.1", tool="xml_format", beside=2000)
def encode(ctx: Context, value: dict[str, Any], options: XmlOptions = XmlOptions()) -> str:
    """Writes a value as an XML document, in the form that `xml.decode` gives.
    Children of different names come sorted by them, as the keys of a script's map do.

    value: a map with one key, the root element.
    options: how to write it.
    returns: the document.
    """
    return xml.write(value, options.pretty)
