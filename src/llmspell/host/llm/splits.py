"""This unit cuts a long text into parts that a model can take.

split_text(text, max_tokens)    the parts; together they are the text again
"""

from __future__ import annotations

from ...errors import BadArgument

MAX_PARTS = 10_000

ENDS = (b"\n\n", b"\n", b". ", b" ")
"""After what a text is cut, the best first: paragraphs, lines, sentences, words."""


def split_text(text: str, max_tokens: int) -> list[str]:
    """Parts of at most so many tokens, as `tokens_in` guesses them. Raises BadArgument.

    A part ends where the text has an end, if one is in its second half.
    """
    if max_tokens < 1:
        raise BadArgument(f"max_tokens must be at least 1, got {max_tokens}")
    data, longest, start = text.encode(), 4 * max_tokens, 0
    parts: list[str] = []
    while start < len(data):
        if len(parts) == MAX_PARTS:
            raise BadArgument(
                f"the text has more than {MAX_PARTS} parts of {max_tokens} tokens: raise max_tokens"
            )
        end = start + longest
        if end < len(data):
            end = start + _cut(data[start:end], data[end])
        parts.append(data[start:end].decode())
        start = end
    return parts


def _cut(part: bytes, following: int) -> int:
    """Where to cut a part, which another byte follows."""
    for end in ENDS:
        place = part.rfind(end)
        if place >= len(part) // 2:
            return place + len(end)
    cut = len(part)
    while following & 0xC0 == 0x80:  # the middle of a character
        cut -= 1
        following = part[cut]
    return cut
