"""A program to run: its source, the name errors show, and the folder its modules come from."""

from __future__ import annotations

import os
from typing import NamedTuple

from ..engines import SUFFIXES
from ..errors import FileFailure, UsageError
from ..host.sources import Sources


class Program(NamedTuple):
    """Source text and where it came from. `suffix` names its language, or is ""."""

    source: str
    name: str = "spell"
    suffix: str = ""
    folder: str | None = None

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
        if "\n" not in text and len(text) < 1024:
            name = os.path.basename(text)
            if os.path.splitext(name)[1] in SUFFIXES and " " not in name:
                return cls.read(text, files)
        return cls(text)

    @classmethod
    def read(cls, path: str, files: Sources | None = None) -> Program:
        """Reads a file, or a folder that holds main.lua or a main of another language.

        `files` keeps texts, so that a file that has not changed is not read again.
        """
        if os.path.isdir(path):
            mains = [f"main{suffix}" for suffix in SUFFIXES]
            found = [main for main in mains if os.path.isfile(os.path.join(path, main))]
            if not found:
                raise UsageError(f"{path} is a folder without {' or '.join(mains)}")
            path = os.path.join(path, found[0])
        try:
            source = (files or Sources()).now(os.path.abspath(path))
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
        return cls(source, name, os.path.splitext(path)[1], folder)
