"""This unit turns HTML into Markdown; `pages` runs it as a program of its own.

    convert_page(html, url)     title and Markdown; `url` makes links absolute
    main()                      the same, from JSON on standard input to JSON on standard output

A page may be made to take gigabytes and seconds, and what it takes cannot be stopped in the process
it happens in. Here the system does: memory, processor time and the size of the answer are bounded.
Run by its path, it can import nothing of llmspell.
"""

from __future__ import annotations

import re

MEMORY = 1 << 30
SECONDS = 10
MAX_TEXT = 16 * 1024 * 1024


def convert_page(html: str, url: str | None) -> tuple[str, str]:
    """Title and Markdown of a page, without navigation, scripts and styles."""
    from html import unescape

    from html_to_markdown import ConversionOptions, PreprocessingOptions, convert

    # Lone surrogates are no text: the converter does not take them.
    html = html.encode("utf-8", "replace").decode("utf-8")
    options = ConversionOptions(
        base_url=url,
        extract_metadata=False,  # they would stand as a block in front of the text
        preprocessing=PreprocessingOptions(
            enabled=True, preset="standard", remove_navigation=True, remove_forms=False
        ),
    )
    text = convert(html, options).content or ""
    # Bounded on both sides, as a page may hold a million tags that never end.
    found = re.search(r"<title\b[^>]{0,200}>([^<]{0,1000})", html[:100_000], re.IGNORECASE)
    title = unescape(found[1]) if found else ""
    return " ".join(title.split()), text.strip() + "\n"


def main() -> None:
    """Converts one page. Ends with another code than 0 when it cannot."""
    import json
    import os
    import sys

    sys.path[:] = json.loads(sys.argv[1])
    try:
        import resource
    except ImportError:  # Windows: only the time is bounded, by whoever waits
        pass
    else:
        os.nice(10)  # what the host does comes first
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    title, text = convert_page(*json.loads(sys.stdin.buffer.read()))
    if len(text) > MAX_TEXT:
        sys.exit(2)
    sys.stdout.buffer.write(json.dumps([title, text]).encode())


if __name__ == "__main__":
    main()
