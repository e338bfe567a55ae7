"""What a folder says of the spell in it: `spell.yaml`.

A manifest asks, it grants nothing: it may have its spell run in a process of its own where nobody
else asked, and cannot lift what the user's flags, arguments or level ask for.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from ..engines import ENGINES
from ..errors import BadArgument, FileFailure, ManifestError, near_miss
from ..host.formats import yaml
from ..host.sources import Sources
from ..policy import Isolation
from ..typespec import NO_RUN, Misfit, read

NAME = "spell.yaml"
MISTAKEN = "spell.yml"
"""Told rather than passed over: what it asks for may be a process of its own."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The words of a manifest; all may be left out.

    name: what the spell is called.
    version: which one it is.
    description: what it does.
    author: who made it.
    license: what others may do with it.
    tags: words to find it by.
    entry: the script to run, in the folder; main of any language by default.
    engine: the script engine, instead of going by the suffix of the script.
    isolation: "process" to run in a process of its own at every level.
    """

    name: str = ""
    version: str = ""
    description: str = ""
    author: str = ""
    license: str = ""
    tags: list[str] | None = None
    entry: str | None = None
    engine: str | None = None
    isolation: Isolation | None = None

    @classmethod
    def of(cls, folder: str, files: Sources) -> Manifest:
        """Reads that of a folder; an empty one where there is none. Raises ManifestError."""
        path = os.path.join(folder, NAME)
        if not os.path.lexists(path):
            if os.path.lexists(os.path.join(folder, MISTAKEN)):
                raise ManifestError(f"{folder}/{MISTAKEN} is not read: name it {NAME}")
            return cls()
        if os.path.exists(path) and not os.path.isfile(path):
            raise ManifestError(f"cannot read {path}: it is not a regular file")
        if leaves(folder, path):
            raise ManifestError(f"{path} is a link that leads out of the folder")
        try:
            given = yaml.read(files.now(os.path.abspath(path)))
            told: Manifest = read(cls).fit({} if given is None else given, "manifest", NO_RUN)
        except UnicodeDecodeError:
            raise ManifestError(f"{path} is not UTF-8 text") from None
        except OSError as error:
            raise ManifestError(f"cannot read {path}: {error.strerror}") from None
        except (BadArgument, FileFailure, Misfit) as error:
            raise ManifestError(f"{path}: {error}") from None
        if told.engine is not None and told.engine not in ENGINES:
            known, meant = ", ".join(ENGINES), near_miss(told.engine, ENGINES)
            raise ManifestError(
                f"{path}: {told.engine!r} is not an engine: use one of {known}{meant}"
            )
        if told.entry is None:
            return told
        entry = os.path.normpath(told.entry)
        if os.path.isabs(entry) or entry.split(os.sep)[0] == os.pardir:
            raise ManifestError(f"{path}: entry must be a file in the folder, got {told.entry}")
        return replace(told, entry=entry)


def leaves(folder: str, path: str) -> bool:
    """Whether a path in a folder leads out of it: who wrote the folder chose where links lead."""
    home = os.path.realpath(folder)
    return not os.path.realpath(path).startswith(os.path.join(home, ""))
