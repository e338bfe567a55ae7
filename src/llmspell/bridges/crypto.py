"""crypto: digests, base64 and unique names."""

from __future__ import annotations

from uuid import uuid4

from ..capability import capability
from ..host.context import Context
from ..host.formats import digests
from ..host.formats.digests import Algorithm
from ..host.formats.documents import text_or_bytes


@capability("crypto.hash", since="0.1", tool="hash")
def hash(ctx: Context, data: bytes, algorithm: Algorithm = "sha256") -> str:
    """Makes a digest of text or bytes. SHA-1 and MD5 protect nothing any more.

    data: what to digest.
    algorithm: how.
    returns: the digest in hexadecimal letters.
    """
    return digests.digest(data, algorithm)


@capability("crypto.hmac", since="0.1")
def hmac(ctx: Context, key: bytes, data: bytes, algorithm: Algorithm = "sha256") -> str:
    """Makes an authentication code (HMAC) of text or bytes.

    key: the secret both sides have.
    data: what to sign.
    algorithm: how.
    returns: the code in hexadecimal letters.
    """
    return digests.authentication_code(key, data, algorithm)


@capability("crypto.base64_encode", since="0.1", tool="base64_encode")
def base64_encode(ctx: Context, data: bytes, url: bool = False) -> str:
    """Writes text or bytes as base64.

    data: what to write.
    url: whether to use the letters that may stand in a URL, without padding.
    returns: the base64 text.
    """
    return digests.to_base64(data, url)


@capability("crypto.base64_decode", since="0.1", tool="base64_decode")
def base64_decode(ctx: Context, text: str) -> str | bytes:
    """Reads base64, in either form, with or without padding.

    text: the base64 text.
    returns: what it stands for; bytes when that is not UTF-8 text.
    """
    return text_or_bytes(digests.from_base64(text))


@capability("crypto.uuid", since="0.1", tool="uuid")
def uuid(ctx: Context) -> str:
    """Makes a name that nobody else has: a random UUID.

    returns: such as "0b8e7a52-6d4c-4c5e-9a2f-3a1f6f2d9f10".
    """
    return str(uuid4())
