"""Text formats for data."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from ...errors import BadArgument
from ...garbage import unbroken
from ...typespec import article
from ...values import kind_of


def to_json(value: Any, pretty: bool = False) -> str:
    """JSON text of a value that came from a script."""
    if pretty:
        return json.dumps(value, ensure_ascii=False, indent=2, default=_unknown)
    return _compact(value)


def from_json(text: str) -> Any:
    """The value of JSON text. Raises BadArgument with the line and column of a mistake."""
    try:
        return unbroken(partial(json.loads, parse_constant=_refuse), text)
    except json.JSONDecodeError as error:
        raise BadArgument(
            f"not JSON at line {error.lineno}, column {error.colno}: {error.msg}"
        ) from None
    except RecursionError:
        raise BadArgument("the JSON is nested too deep") from None
    except ValueError:
        raise BadArgument("a number in the JSON has too many digits") from None


def _refuse(constant: str) -> Any:
    raise BadArgument(f"{constant} is not JSON")


def _unknown(value: Any) -> Any:
    kind = kind_of(value)
    noun = kind if kind == "bytes" else f"{article(kind)} {kind}"
    raise BadArgument(f"{noun} cannot be written as JSON")


_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_unknown).encode


def text_or_bytes(data: bytes) -> str | bytes:
    """Text when the bytes are UTF-8, else the bytes."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data
