"""Digests and the base64 form of bytes."""

from __future__ import annotations

import base64
import binascii
from typing import Literal

from ...errors import BadArgument

Algorithm = Literal["sha256", "sha512", "sha1", "md5"]


def digest(data: bytes, algorithm: Algorithm) -> str:
    """The digest in hexadecimal letters. SHA-1 and MD5 are there for what others made with them."""
    import hashlib

    return hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()


def authentication_code(key: bytes, data: bytes, algorithm: Algorithm) -> str:
    """The HMAC of data under a key, in hexadecimal letters."""
    import hmac

    return hmac.new(key, data, algorithm).hexdigest()


def to_base64(data: bytes, url: bool) -> str:
    """The base64 form; `url` has the letters that may stand in a URL, without padding."""
    return (
        base64.urlsafe_b64encode(data).decode().rstrip("=")
        if url
        else base64.b64encode(data).decode()
    )


def from_base64(text: str) -> bytes:
    """The bytes of base64 text in either form, with or without padding. Raises BadArgument."""
    plain = "".join(text.split()).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise BadArgument("the text is not base64") from None
