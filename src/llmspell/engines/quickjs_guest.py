"""The guest as quickjs-rs brings it, and what we change in it: two things, both while it is bytes.

Its initial memory becomes the heap a prelude has left (`with_memory`). And it tells of promises
that fail while nobody looks (`with_ear`): the VM has a place for a function that hears of them, but
exports nothing to set it. So one function is added at the end, which calls `host_call`, and the two
reads of that place are replaced by its number.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from hashlib import sha256
from importlib.util import find_spec

from ..errors import UsageError

VERSION = "0.2.6"
KNOWN = "647ab11ae29cc6d39a6d17d3aa1e7a6a0b5fb9c44b4864475a18bc644f926050"
"""The SHA-256 of the guest of this version of quickjs-rs: what is changed in it, and how values lie
in its memory, is known of no other."""

HEARD = -1
"""What `host_call` is given for the size of its name where it tells of a promise."""

_TYPES, _TABLE, _ELEMENTS, _MEMORY, _FUNCTIONS, _CODE, _DATA = 1, 4, 9, 5, 3, 10, 11
_TRACKER = bytes.fromhex("60057f7e7e7f7f00")
"""The type of a tracker: context, promise, reason, whether it is handled, what it was set with."""

_READ = re.compile(rb"\x28\x02([\x80-\xff][\x00-\x7f])\x22[\x00-\x7f]\x45\x0d\x00")
"""i32.load of a field, local.tee, i32.eqz, br_if: a function is called if there is one."""


def guest() -> bytes:
    """The module, with its ear. Raises UsageError for one that is not the one we know."""
    code = found_guest()
    if sha256(code).hexdigest() != KNOWN:
        raise _unknown()
    return with_ear(code)


def found_guest() -> bytes:
    """The module as it is."""
    spec = find_spec("quickjs_rs")
    assert spec is not None and spec.submodule_search_locations
    with open(os.path.join(spec.submodule_search_locations[0], "_guest.wasm"), "rb") as file:
        return file.read()


def with_ear(code: bytes) -> bytes:
    """A module that tells `host_call` of promises: those that fail unseen, and are seen later.

    It gives the address of the promise, HEARD, whether it is handled, and the two halves of why.
    """
    sections = dict(_sections(code))
    kind = _type_of_trackers(sections[_TYPES])
    number, table = _grown_table(sections[_TABLE])
    body, ear = sections[_CODE], _signed(number)
    places = [
        found.start()
        for found in _READ.finditer(body)
        # The call of it is near, by its type.
        if b"\x11" + _padded(kind) in body[found.end() : found.end() + 40]
    ]
    if len(places) != 2 or len(ear) != 2 or len({body[at + 2 : at + 4] for at in places}) != 1:
        raise _unknown()
    for at in places:
        # drop, i32.const: as long as the read it replaces.
        body = body[:at] + b"\x1a\x41" + ear + body[at + 4 :]
    functions, last = _appended(sections[_FUNCTIONS], _leb(kind))
    host_call = _imported(sections[2], b"host_call")
    tell = (
        b"\0\x20\x01\xa7\x41\x7f\x20\x03\x20\x02\xa7\x20\x02\x42\x20\x88\xa7\x10"
        + _leb(host_call)
        + b"\x1a\x0b"
    )
    body, _ = _appended(body, _leb(len(tell)) + tell)
    index = last + _functions_imported(sections[2])
    segment = b"\0\x41" + ear + b"\x0b\x01" + _leb(index)
    elements, _ = _appended(sections[_ELEMENTS], segment)
    changed = {_TABLE: table, _FUNCTIONS: functions, _CODE: body, _ELEMENTS: elements}
    return code[:8] + b"".join(
        bytes([kind]) + _leb(len(whole)) + whole
        for kind, whole in ((kind, changed.get(kind, whole)) for kind, whole in _sections(code))
    )


def with_memory(code: bytes, heap: bytes, pages: int) -> bytes:
    """A module with other initial memory: the sections of its size and its data written anew."""
    parts = [(m.start(), m.group()) for m in re.finditer(rb"(?:(?!\0{64}).)+", heap, re.S)]
    data = _leb(len(parts)) + b"".join(
        b"\0\x41" + _signed(place) + b"\x0b" + _leb(len(part)) + part for place, part in parts
    )
    changed = {_MEMORY: b"\x01\x00" + _leb(pages), _DATA: data}
    return code[:8] + b"".join(
        bytes([kind]) + _leb(len(whole)) + whole
        for kind, whole in ((kind, changed.get(kind, whole)) for kind, whole in _sections(code))
    )


def _unknown() -> UsageError:
    return UsageError(f"this build of quickjs-rs is not known: install quickjs-rs {VERSION}")


def _sections(code: bytes) -> Iterator[tuple[int, bytes]]:
    at = 8
    while at < len(code):
        size, start = _number(code, at + 1)
        yield code[at], code[start : start + size]
        at = start + size


def _type_of_trackers(types: bytes) -> int:
    """The number of the type; a module of another compiler may not have it."""
    count, at = _number(types, 0)
    for number in range(count):
        start = at
        for _ in range(2):
            size, at = _number(types, at + 1 if at == start else at)
            at += size
        if types[start:at] == _TRACKER:
            return number
    raise _unknown()


def _grown_table(table: bytes) -> tuple[int, bytes]:
    """The table with one place more, and the number of that."""
    if table[:3] != b"\x01\x70\x01":
        raise _unknown()
    least, _ = _number(table, 3)
    return least, table[:3] + _leb(least + 1) * 2


def _appended(section: bytes, item: bytes) -> tuple[bytes, int]:
    """A section that is a list, with one item more; and the number of that."""
    count, at = _number(section, 0)
    return _leb(count + 1) + section[at:] + item, count


def _imports(section: bytes) -> Iterator[tuple[bytes, int]]:
    count, at = _number(section, 0)
    for _ in range(count):
        names = []
        for _ in range(2):
            size, at = _number(section, at)
            names.append(section[at : at + size])
            at += size
        kind = section[at]
        if kind != 0:
            raise _unknown()  # only functions are imported
        _, at = _number(section, at + 1)
        yield names[1], kind


def _imported(section: bytes, name: bytes) -> int:
    names = [found for found, _ in _imports(section)]
    if name not in names:
        raise _unknown()
    return names.index(name)


def _functions_imported(section: bytes) -> int:
    return len(list(_imports(section)))


def _number(code: bytes, at: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = code[at]
        at += 1
        result |= (byte & 127) << shift
        shift += 7
        if not byte & 128:
            return result, at


def _leb(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def _padded(number: int) -> bytes:
    """A number as linkers write one that they fill in later: five bytes."""
    return bytes([number & 127 | 128, number >> 7 | 128, 128, 128, 0])


def _signed(number: int) -> bytes:
    out = bytearray()
    while number > 63:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])
