"""Knows which variables are secret, keeps their values from view, and finds them in text.

    Secret(value)               shows itself as ***; `reveal` gives the value where it is sent
    is_secret(name, value)      whether a variable holds one, by its name or by a password in a URL
    Filter(secrets)             text, and plain data, without them

A secret is only revealed where a client for its provider is made. Whatever leaves a run goes
through the filter: output, result, log, recorded calls, errors.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from ..values import BYTES_TAG

PARTS = ("KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "PASSCODE", "CREDENTIAL",
         "COOKIE", "WEBHOOK", "CONNECTION_STRING", "CONNSTR", "CONN_STR")  # fmt: skip
"""What the name of a secret variable may hold anywhere."""

WORDS = frozenset({"DSN", "JWT", "PAT"})
"""What it may hold as a word of its own."""

HARMLESS = ("AUTHOR", "BYPASS", "COMPASS")
"""Ends of words that only look like those of a secret."""

SHORTEST = 8
"""Characters of a value that is looked for in text: a shorter one may be there by chance."""

BYTES = json.dumps(BYTES_TAG)
"""What stands before bytes in the text form of values, where they are hexadecimal."""


class Secret:
    """A value nobody should see by accident. It has no equal, and cannot be written out."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value, for where it is used."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> Any:
        raise TypeError("a secret is not written out")


def is_secret(name: str, value: str = "") -> bool:
    """Whether a variable holds a secret, by its name or by a password in its value."""
    # Without a pattern, which would take longer to compile than many spells run.
    name = name.upper()
    words = name.split("_")
    return (
        any(part in name for part in PARTS)
        or not WORDS.isdisjoint(words)
        or "PWD" in words[1:]  # alone it is a folder
        or any(
            ("AUTH" in word or word.endswith("PASS")) and not word.endswith(HARMLESS)
            for word in words
        )
        or next(passwords(value), None) is not None
    )


def passwords(value: str) -> Iterator[str]:
    """The passwords in the URLs of a value: those of SCHEME://USER:PASSWORD@HOST."""
    for rest in value.split("://")[1:]:
        for end in "/?#":
            rest = rest.partition(end)[0]
        user, at, _ = rest.rpartition("@")
        _, colon, password = user.partition(":")
        if at and colon and password:
            yield password


class Filter:
    """Text and plain data without secrets. Short ones are left: they may be there by chance."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        values = {secret.reveal() for secret in secrets}
        values |= {password for value in values for password in passwords(value)}
        # As they stand in JSON too, which is what recorded calls are.
        values |= {json.dumps(value, ensure_ascii=False)[1:-1] for value in values}
        long = (value for value in values if len(value) >= SHORTEST)
        # The longest first: one secret may contain another.
        self._secrets = [Secret(v) for v in sorted(long, key=lambda v: (-len(v), v))]

    def text(self, text: str) -> str:
        """The text with each secret replaced by `***`, in the bytes of values too."""
        for secret in self._secrets:
            if (value := secret.reveal()) in text:
                text = text.replace(value, "***")
        if self._secrets and BYTES in text:
            for secret in self._secrets:
                text = text.replace(_encoded(secret).hex(), b"***".hex())
        return text

    def data(self, value: Any) -> Any:
        """Plain data with each text in it filtered."""
        if not self._secrets:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.data(item) for item in value]
        if isinstance(value, dict):
            return {self.data(key): self.data(item) for key, item in value.items()}
        if isinstance(value, bytes):
            return self._bytes(value)
        return value

    def _bytes(self, value: bytes) -> bytes:
        for secret in self._secrets:
            value = value.replace(_encoded(secret), b"***")
        return value


def _encoded(secret: Secret) -> bytes:
    # A variable of the environment may hold bytes that are no text.
    return secret.reveal().encode(errors="surrogateescape")
