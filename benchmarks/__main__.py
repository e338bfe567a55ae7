"""`make bench`: prints what llmspell costs, each figure beside a peer measured in the same run.

Nothing is asserted: machines are shared and noisy. Read the ratios; run it twice.
"""

from __future__ import annotations

import sys

from . import (
    cache,
    calls,
    channels,
    conversion,
    errors,
    isolation,
    javascript,
    limits,
    models,
    objects,
    pool,
    processor,
    restore,
    startup,
    tengo,
    tools,
)

GROUPS = {
    "startup": startup,
    "processor": processor,
    "calls": calls,
    "channels": channels,
    "limits": limits,
    "models": models,
    "errors": errors,
    "objects": objects,
    "isolation": isolation,
    "javascript": javascript,
    "cache": cache,
    "pool": pool,
    "restore": restore,
    "conversion": conversion,
    "tengo": tengo,
    "tools": tools,
}


def main() -> None:
    chosen = sys.argv[1:] or list(GROUPS)
    if unknown := [name for name in chosen if name not in GROUPS]:
        sys.exit(f"there is no group {', '.join(unknown)}; the groups are {', '.join(GROUPS)}")
    print(f"{'what':<58}{'here':>12}{'peer':>12}{'ratio':>8}  target")
    for name in chosen:
        for row in GROUPS[name].measure():
            peer = f"{row.peer:.4g} {row.unit}" if row.peer is not None else ""
            ratio = f"{row.here / row.peer:.2f}" if row.peer else ""
            here = f"{row.here:.4g} {row.unit}"
            print(f"{row.what:<58}{here:>12}{peer:>12}{ratio:>8}  {row.target}", flush=True)


if __name__ == "__main__":
    main()
