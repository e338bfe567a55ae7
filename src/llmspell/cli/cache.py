"""`llmspell cache`: what is kept of compiled programs on disk, and how to get rid of it."""

from __future__ import annotations

import argparse
import os
from typing import Any

from ..errors import UsageError


def add_to(
    commands: argparse._SubParsersAction[Any],
    formatter: type[argparse.HelpFormatter],
) -> None:
    """Declares the command."""
    this = commands.add_parser(
        "cache",
        help="show or clear the compiled programs that are kept",
        description="Shows what is kept of compiled programs on disk, or removes it.",
        formatter_class=formatter,
    )
    this.set_defaults(command_function=run)
    this.add_argument("action", metavar="stats|clear", help="show what there is, or remove it")


def run(options: argparse.Namespace) -> int:
    """Runs the command and gives its exit code."""
    from ..host.settings import Settings
    from ..policy import real_folder
    from ..runtime.chunk_files import ChunkFiles

    if options.action not in ("stats", "clear"):
        raise UsageError(f"cache {options.action} is not known: use cache stats or cache clear")
    folder = Settings.load(os.environ, real_folder()).cache_folder(os.environ)
    if folder is None:
        print("no compiled programs are kept: the cache is off")
        return 0
    files = ChunkFiles(folder)
    if options.action == "clear":
        try:
            print(f"removed {files.clear()} programs from {folder}")
        except FileNotFoundError:
            print(f"removed 0 programs from {folder}")
        except OSError as error:
            raise UsageError(f"cannot clear {folder}: {error.strerror}") from None
        return 0
    held = files.held()
    print(f"folder    {folder}")
    print(f"programs  {held.files}")
    print(f"bytes     {held.bytes}")
    if held.why:
        print(f"not used: {held.why}")
    return 0
