"""Count what a farm did: ``python scripts/farm_count.py FOLDER``, the ``--out`` of a submission.

Of every shot: is its result there, and how often was each stage computed to its end? A stage that was done twice, or a
shot without a result, is an error. The page of stage *report* is written by every process that ends a run, in a
fraction of a second, and is not counted.
"""

import json
import sys
from collections import Counter
from pathlib import Path


def main() -> None:
    """Print the sums; exit code 1 where a shot is lost or a stage was done twice."""
    lost, twice, begun = [], [], 0
    folders = sorted(path for path in Path(sys.argv[1]).iterdir() if (path / "run.toml").is_file())
    for folder in folders:
        events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
        begun += sum(event.get("event") == "RunStarted" for event in events)
        done, reused = Counter[str](), set[str]()
        for event in events:
            match event.get("event"):
                case "RunStarted":
                    reused.clear()
                case "StageReused":  # it was done before; it is said to be finished all the same
                    reused.add(event["stage"])
                case "StageFinished" if event["stage"] not in {*reused, "report"}:
                    done[event["stage"]] += 1
        if not list(folder.glob("*_inbetween.usda")):
            lost.append(folder.name)
        if repeated := [stage for stage, count in done.items() if count > 1]:
            twice.append(f"{folder.name} ({', '.join(repeated)})")
    sys.stdout.write(
        f"{len(folders)} shots, begun {begun} times: {len(lost)} lost, {len(twice)} with a stage done twice\n"
    )
    for line in [*lost, *twice]:
        sys.stdout.write(f"  {line}\n")
    raise SystemExit(1 if lost or twice else 0)


if __name__ == "__main__":
    main()
