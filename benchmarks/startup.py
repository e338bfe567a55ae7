"""Whole processes: a small spell and the help page against a bare interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from .row import Row, pairs


def process(*command: str) -> float:
    """Milliseconds of one whole process. Bytecode is cached, as in any ordinary install."""
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environ)
    return (time.perf_counter() - began) * 1000


def measure() -> Iterator[Row]:
    python = sys.executable
    command = str(Path(python).with_name("llmspell"))
    with tempfile.TemporaryDirectory() as folder:
        hello = Path(folder) / "hello.lua"
        hello.write_text('print("hello, " .. (params.who or "world"))\n')
        process(command, "run", str(hello))
        for what, args, target in (
            ("llmspell run hello.lua / python -c pass", ("run", str(hello)), "< 6"),
            ("llmspell --help / python -c pass", ("--help",), "< 5"),
        ):
            here, bare = pairs(
                lambda args=args: process(command, *args),
                lambda: process(python, "-c", "pass"),
                runs=15,
            )
            yield Row(what, here, "ms", bare, target)
