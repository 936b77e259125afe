"""Search over the prims of a large stage: ours beside Textual's matcher. ``python scripts/bench_fuzzy.py``"""

import sys
import time

from textual.fuzzy import Matcher

from anymole_tui.tui.fuzzy import find

PRIMS = 100_000
QUERIES = ("hero", "ast12pt", "part_99999")


def main() -> None:
    """Seconds per query, each over all prims, in turns."""
    names = [(f"/World/Set/Asset_{i % 300}/Geo/part_{i}", "Mesh") for i in range(PRIMS)]
    for query in QUERIES:
        began = time.perf_counter()
        find(query, names)
        ours = time.perf_counter() - began
        matcher = Matcher(query)
        began = time.perf_counter()
        for path, _ in names:
            matcher.match(path)
        theirs = time.perf_counter() - began
        sys.stdout.write(f"{query:12} ours {ours:.2f} s  Matcher {theirs:.2f} s  {theirs / ours:.1f} times\n")


if __name__ == "__main__":
    main()
