#!/usr/bin/env bash
# typer 0.29.2: reading any option imports pydantic, which short commands wait for.
#
# Expected: a command line of a few plain options starts as quickly as with typer 0.28, which converts their texts itself.
# Instead: from 0.29 on the first option or argument that is read imports pydantic and builds a TypeAdapter for each, for
# plain str, int and Path too. Help alone does not. The package needs pydantic, and nothing turns it off.
# Output seen (Python 3.11), by a command with an argument and an option:
#   typer 0.28.0   pydantic imported: False   50 modules for two options: False
#   typer 0.29.2   pydantic imported: True   50 modules for two options: True
# A short command of ours took 0.71 s of processor time with 0.29.2 and 0.57 s with 0.28.0.
# For users: tools that farms call thousands of times start later, and shell completion answers later.
# Remedy: ask for typer below 0.29 where start time counts.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > greet.py <<'PY'
import sys

import typer

app = typer.Typer()


@app.command()
def greet(name: str, times: int = 1) -> None:
    more = len(sys.modules) - BEFORE
    print(f"typer {typer.__version__}   pydantic imported: {'pydantic' in sys.modules}   50 modules for two options: {more > 50}")


BEFORE = len(sys.modules)
app()
PY
for version in 0.28.0 0.29.2; do
    "${PYTHON:-python3}" -m venv "$version"
    "$version/bin/python" -m pip install --quiet "typer==$version" pydantic==2.14.4
    "$version/bin/python" greet.py Ann --times 2 | tee -a seen
done

diff seen - <<'SEEN'
typer 0.28.0   pydantic imported: False   50 modules for two options: False
typer 0.29.2   pydantic imported: True   50 modules for two options: True
SEEN
