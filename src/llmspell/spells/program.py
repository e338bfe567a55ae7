"""A program to run: its source, the name errors show, and the folder its modules come from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from ..engines import SUFFIXES
from ..errors import UsageError


class Program(NamedTuple):
    """Source text and where it came from. `suffix` names its language, or is ""."""

    source: str
    name: str = "spell"
    suffix: str = ""
    folder: Path | None = None

    @classmethod
    def of(cls, source_or_path: str | os.PathLike[str] | Program) -> Program:
        """Takes a path or source text: one line that ends like a script's name is a path."""
        if isinstance(source_or_path, Program):
            return source_or_path
        if isinstance(source_or_path, os.PathLike):
            return cls.read(Path(source_or_path))
        text = source_or_path
        if "\n" not in text and len(text) < 1024:
            path = Path(text)
            if path.suffix in SUFFIXES and " " not in path.name:
                return cls.read(path)
        return cls(text)

    @classmethod
    def read(cls, path: Path) -> Program:
        """Reads a file, or a folder that holds main.lua or a main of another language."""
        if path.is_dir():
            mains = [path / f"main{suffix}" for suffix in SUFFIXES]
            found = [main for main in mains if main.is_file()]
            if not found:
                wanted = " or ".join(main.name for main in mains)
                raise UsageError(f"{path} is a folder without {wanted}")
            path = found[0]
        try:
            source = path.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            raise UsageError(f"there is no file {path}") from None
        except UnicodeDecodeError:
            raise UsageError(f"{path} is not UTF-8 text") from None
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}") from None
        return cls(source, os.fspath(path), path.suffix, path.resolve().parent)
