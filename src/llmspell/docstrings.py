"""What a docstring says of a thing, and of each of its parameters or fields."""

from __future__ import annotations


def prose(docstring: str) -> tuple[str, dict[str, str]]:
    """Splits a docstring into its description and its `name: what it is` entries.

    Entries stand at the end, one a line; a deeper-indented line goes on with the entry above.
    """
    body, entries, last = [], {}, ""
    for line in _dedent(docstring).split("\n"):
        head, colon, rest = line.partition(": ")
        if colon and head.isidentifier() and rest:
            entries[head] = rest.strip()
            last = head
        elif last and line.startswith(" "):
            entries[last] += " " + line.strip()
        elif not last:
            body.append(line)
    return "\n".join(body).strip(), entries


def _dedent(docstring: str) -> str:
    first, _, rest = docstring.partition("\n")
    lines = rest.split("\n")
    indent = min((len(li) - len(li.lstrip()) for li in lines if li.strip()), default=0)
    return "\n".join([first.strip(), *(li[indent:].rstrip() for li in lines)])
