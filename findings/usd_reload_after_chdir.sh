#!/usr/bin/env bash
# usd-core 26.11: a stage opened under a relative path becomes another file when the working directory changes.
#
# Expected: the reference says of Sdf.Layer.Reload that it reads the layer again "from its persistent representation"
# and that "the fileName [is] not affected by this method". A stage opened as "shot.usda" in folder first therefore
# stays first/shot.usda, as it does for Save, whatever the working directory is later.
# Instead: Stage.Reload() looks the relative identifier up anew in the working directory. If that holds a file of the
# same name, the open stage now has that file's content, its real path changes, and the next Save() overwrites it.
# Output seen (Python 3.11):
#   opened    first/shot.usda 1
#   moved     first/shot.usda 1
#   reloaded  second/shot.usda 2
#   saved 3   first/shot.usda has 1, second/shot.usda has 3
# For users: a tool that changes its working directory can save over the shot of another folder without a word.
# Remedy: open stages under absolute paths; the identifier is then absolute and Reload keeps to the file.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet usd-core==26.11

cd "$folder"
"$folder/env/bin/python" - <<'PY'
import os
import re
from pathlib import Path

from pxr import Usd

top = Path.cwd()
for name, value in (("first", 1), ("second", 2)):
    (top / name).mkdir()
    (top / name / "shot.usda").write_text(f'#usda 1.0\ndef "Prim"\n{{\n    int value = {value}\n}}\n')


def state(stage):
    return os.path.relpath(stage.GetRootLayer().realPath, top), stage.GetAttributeAtPath("/Prim.value").Get()


def follow(path):
    os.chdir(top / "first")
    stage = Usd.Stage.Open(path())
    seen = [state(stage)]
    os.chdir(top / "second")
    seen.append(state(stage))
    stage.Reload()
    seen.append(state(stage))
    for word, (file, value) in zip(("opened", "moved", "reloaded"), seen):
        print(f"{word:9} {file} {value}")
    return stage, seen


print("absolute path:")
stage, seen = follow(lambda: os.path.abspath("shot.usda"))
assert seen == [("first/shot.usda", 1)] * 3, "an absolute path keeps to its file no more"
del stage

print("relative path:")
stage, seen = follow(lambda: "shot.usda")
assert seen == [("first/shot.usda", 1), ("first/shot.usda", 1), ("second/shot.usda", 2)], "the behaviour has changed"
stage.GetAttributeAtPath("/Prim.value").Set(3)
stage.Save()
first, second = (re.search(r"value = (\d)", (top / name / "shot.usda").read_text())[1] for name in ("first", "second"))
print(f"saved 3   first/shot.usda has {first}, second/shot.usda has {second}")
assert (first, second) == ("1", "3"), "the behaviour has changed"
PY
echo "As described: Reload took the file of the same name in the later working directory, and Save overwrote it."
