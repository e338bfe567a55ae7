"""XML: text to values and back, in the form many know from xmltodict.

An element is text, or a map: attributes under "@name", children under their name (a list where
there are several), text beside them under "#text". Declarations of types and entities are refused.
"""

from __future__ import annotations

from typing import Any

from ...errors import BadArgument

MAX_TEXT = 1024 * 1024
"""Characters of a document."""

MAX_DEPTH = 30
"""Levels of elements: values that cross are not deeper."""

MAX_PARTS = 20_000
"""Elements and attributes: about a third of a second."""


def read(text: str) -> dict[str, Any]:
    """The value of a document. Raises BadArgument with the line and column of a mistake."""
    from xml.parsers import expat

    import xmltodict

    if len(text) > MAX_TEXT:
        raise BadArgument(f"the XML is longer than {MAX_TEXT} characters")
    try:
        _check(text)
        found: dict[str, Any] = xmltodict.parse(
            text.encode(), encoding="utf-8", postprocessor=_present
        )
        return found
    except expat.ExpatError as error:
        place = f"line {error.lineno}, column {error.offset + 1}"
        raise BadArgument(f"not XML at {place}: {expat.ErrorString(error.code)}") from None


def _present(path: Any, name: str, value: Any) -> tuple[str, Any]:
    """An empty element is empty text: nothing would not be there in a map."""
    return name, "" if value is None else value


def _check(text: str) -> None:
    """Refuses what could grow or lead elsewhere, before anything is kept of it."""
    from xml.parsers import expat

    parser = expat.ParserCreate("utf-8")
    depth = parts = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, parts
        depth, parts = depth + 1, parts + 1 + len(attributes)
        if depth > MAX_DEPTH:
            raise BadArgument(f"the XML is nested deeper than {MAX_DEPTH} levels")
        if parts > MAX_PARTS:
            raise BadArgument(f"the XML has more than {MAX_PARTS} elements and attributes")

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1

    def refuse(*declared: Any) -> None:
        told = "the XML declares a document type, which is refused: it may hold entities"
        raise BadArgument(told)

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = refuse
    parser.Parse(text.encode(), True)


def write(value: dict[str, Any], pretty: bool) -> str:
    """The document of a map with one key: its root element."""
    from xml.parsers import expat

    import xmltodict

    if len(value) != 1:
        raise BadArgument(f"XML has one root element: give a map with one key, not {len(value)}")
    _check_value(value, "value")
    try:
        text = xmltodict.unparse(value, pretty=pretty, indent="  ")
    except (ValueError, TypeError, AttributeError) as error:
        raise BadArgument(f"cannot be written as XML: {str(error)[:200]}") from None
    try:
        _check(text)
    except (BadArgument, expat.ExpatError):
        told = "a name or a character in it cannot be in XML, or it is too long"
        raise BadArgument(told) from None
    return str(text)


def _check_value(value: Any, path: str) -> None:
    if isinstance(value, dict):
        for name, item in value.items():
            if name.startswith(("@", "#")) and isinstance(item, dict | list):
                raise BadArgument(f"{path}.{name[:100]} must be text, a number or a boolean")
            _check_value(item, f"{path}.{name[:100]}")
    elif isinstance(value, list):
        for place, item in enumerate(value, 1):
            if isinstance(item, list):
                raise BadArgument(f"{path}[{place}] is a list in a list, which XML does not have")
            _check_value(item, f"{path}[{place}]")
    elif not isinstance(value, str | int | float | bool | None):
        raise BadArgument(f"{path} must be text, a number or a boolean")
