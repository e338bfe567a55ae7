"""This unit finds what several answers agree on.

    majority(answers)              the one that most of them give, but for case and spaces; of data,
                                   but for the order of names
    similar(answers, threshold)    the one in the midst of those that say about the same
    chosen(reply, count)           the number that a judge has named

Each gives the index of an answer, or None. Time grows with the length of the answers only.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from math import sqrt

MAX_WORDS = 5000
"""Words of an answer that are compared."""


def majority(answers: Sequence[str]) -> int | None:
    """The first of the answers that more than half of them equal."""
    plain = [_plain(answer) for answer in answers]
    text, count = Counter(plain).most_common(1)[0]
    return plain.index(text) if count * 2 > len(answers) else None


def _plain(answer: str) -> str:
    """An answer without what does not matter: case, spaces, and in data the order of names."""
    plain = re.sub(r"\s+", " ", answer.casefold()).strip().rstrip(".!")
    with suppress(ValueError, RecursionError):
        return json.dumps(json.loads(plain), sort_keys=True)
    return plain


def similar(answers: Sequence[str], threshold: float) -> int | None:
    """The answer that is alike to more than half of them, itself included; the most alike one."""
    words = [_words(answer) for answer in answers]
    best, found = -1.0, None
    for index, own in enumerate(words):
        alike = [value for other in words if (value := likeness(own, other)) >= threshold]
        if len(alike) * 2 > len(answers) and sum(alike) > best:
            best, found = sum(alike), index
    return found


def _words(answer: str) -> Counter[str]:
    found = islice(re.finditer(r"\w+", answer), MAX_WORDS)
    return Counter(word[0].casefold() for word in found)


def likeness(one: Counter[str], other: Counter[str]) -> float:
    """How alike two texts are by the words they use, 0 to 1: the cosine of their counts."""
    if not one or not other:
        return float(one == other)
    dot = sum(count * other[word] for word, count in one.items())
    lengths = sqrt(sum(n * n for n in one.values()) * sum(n * n for n in other.values()))
    return min(1.0, dot / lengths)


def chosen(reply: str, count: int) -> int | None:
    """The index of the answer a judge has named by its number, from 1."""
    named = re.search(r"\d{1,4}", reply)
    index = int(named[0]) - 1 if named else -1
    return index if 0 <= index < count else None


def question(asked: str, answers: Sequence[str]) -> str:
    """What a judge is asked."""
    listed = "\n\n".join(f"Answer {n}:\n{answer}" for n, answer in enumerate(answers, 1))
    return (
        "Which of these answers to the question is the best? Reply with its number only.\n\n"
        f"Question:\n{asked}\n\n{listed}"
    )
