"""This unit finds an Ollama: where it is said to listen, and what it has installed.

    ollama_root(address)    the base URL, from what Ollama's own variable may hold
    ollama_models(url)      the models there; none when nothing answers in time

The question is asked by hand over a socket: it comes up before any model is used, and the HTTP
library takes longer to load than the answer to come.
"""

from __future__ import annotations

import asyncio
import json
from urllib.parse import urlsplit


def ollama_root(address: str) -> str:
    """Ollama's own variable holds "host", ":port" or "0.0.0.0"; other programs write ".../v1"."""
    if "://" not in address:
        host, _, port = address.rpartition(":") if ":" in address else (address, "", "11434")
        address = f"http://{host or 'localhost'}:{port}"
    address = address.replace("//0.0.0.0", "//localhost")
    return address.rstrip("/").removesuffix("/v1")


async def ollama_models(base_url: str, patience: float = 0.3) -> list[str]:
    """The models an Ollama has installed; none when it does not answer in time."""
    parts = urlsplit(base_url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    # HTTP/1.0: the answer is not chunked and the connection ends with it.
    question = f"GET {parts.path}/api/tags HTTP/1.0\r\nHost: {parts.hostname}\r\n\r\n"
    try:
        async with asyncio.timeout(patience):
            reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=secure or None)
            try:
                writer.write(question.encode())
                answer = b""
                while len(answer) < 2**20 and (block := await reader.read(2**16)):
                    answer += block
            finally:
                writer.transport.abort()
        listed = json.loads(answer.partition(b"\r\n\r\n")[2])
        return [str(model["name"]) for model in listed["models"]]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return []
