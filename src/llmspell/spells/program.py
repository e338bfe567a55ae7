"""A program to run: its source, the name errors show, and the folder its modules come from."""

from __future__ import annotations

import os
from typing import NamedTuple

from ..engines import SUFFIXES
from ..errors import FileFailure, UsageError
from ..host.sources import Sources


class Program(NamedTuple):
    """Source text and where it came from. `suffix` names its language, or is "".

    engine, isolation: what its manifest asks for, if anything.
    """

    source: str
    name: str = "spell"
    suffix: str = ""
    folder: str | None = None
    engine: str | None = None
    isolation: str | None = None

    @classmethod
    def of(
        cls, source_or_path: str | os.PathLike[str] | Program, files: Sources | None = None
    ) -> Program:
        """Takes a path or source text: one line that ends like a script's name is a path."""
        if isinstance(source_or_path, Program):
            return source_or_path
        if isinstance(source_or_path, os.PathLike):
            return cls.read(os.fspath(source_or_path), files)
        text = source_or_path
        if not isinstance(text, str):
            raise UsageError(f"a spell must be text or a path, got {type(text).__name__}")
        if "\n" not in text and len(text) < 1024:
            name = os.path.basename(text)
            if os.path.splitext(name)[1] in SUFFIXES and " " not in name:
                return cls.read(text, files)
        return cls(text)

    @classmethod
    def read(cls, path: str, files: Sources | None = None) -> Program:
        """Reads a file, or a folder: the entry of its manifest, else main.lua or another main.

        `files` keeps texts, so that a file that has not changed is not read again.
        """
        files = files or Sources()
        engine = isolation = None
        if os.path.isdir(path):
            path, engine, isolation = _entry(path, files)
        try:
            source = files.now(os.path.abspath(path))
        except FileNotFoundError:
            raise UsageError(f"there is no file {path}") from None
        except UnicodeDecodeError:
            raise UsageError(f"{path} is not UTF-8 text") from None
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}") from None
        except FileFailure as error:
            raise UsageError(f"cannot read {path}: it is being written all the time") from error
        folder = os.path.dirname(os.path.realpath(path))
        name = path.encode(errors="replace").decode()  # a file name need not be text
        return cls(source, name, os.path.splitext(path)[1], folder, engine, isolation)


def _entry(folder: str, files: Sources) -> tuple[str, str | None, str | None]:
    """The script of a folder, and the engine and isolation its manifest asks for."""
    from .manifest import Manifest, leaves

    told = Manifest.of(folder, files)
    mains = [told.entry] if told.entry else [f"main{suffix}" for suffix in SUFFIXES]
    found = [main for main in mains if os.path.isfile(os.path.join(folder, main))]
    if not found:
        raise UsageError(f"{folder} is a folder without {' or '.join(mains)}")
    path = os.path.join(folder, found[0])
    if leaves(folder, path):
        raise UsageError(f"{path} is a link that leads out of the folder")
    return path, told.engine, told.isolation
