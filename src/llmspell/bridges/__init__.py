"""What scripts are told: one file a script namespace, thin typed functions over `host`."""

from __future__ import annotations

import importlib

NAMESPACES = ("agent", "breaker", "channel", "chat", "crypto", "csv", "env", "errors",
              "fs", "hooks", "http", "io", "json", "limits", "llm", "llm.pool",
              "llm.providers", "log", "mcp", "modelinfo", "module", "process",
              "schema", "spell", "sqlite", "stream", "structured", "text", "time",
              "tools", "workflow", "xml", "yaml")  # fmt: skip
"""Every namespace; a file each, that of `llm.pool` is `llm_pool`."""


def load(namespace: str) -> None:
    """Declares the capabilities of one namespace."""
    importlib.import_module(f".{namespace.replace('.', '_')}", __name__)
