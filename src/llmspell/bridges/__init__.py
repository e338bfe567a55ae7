"""What scripts are told: one file a script namespace, thin typed functions over `host`."""

from __future__ import annotations

import importlib

NAMESPACES = ("agent", "breaker", "channel", "env", "errors", "fs", "http", "io", "json", "limits",
              "llm", "log", "module", "stream", "time", "tools")  # fmt: skip
"""Every namespace; a file each."""


def load(namespace: str) -> None:
    """Declares the capabilities of one namespace."""
    importlib.import_module(f".{namespace}", __name__)
