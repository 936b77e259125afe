"""The sidecar says what the result is."""

import hashlib
import json
import shutil
from pathlib import Path

from engine.config import RunConfig
from engine.run import run
from usd_io.read.stage import open_stage, stage_info


def test_a_sidecar_tells_range_keys_settings_and_hashes(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data / "fox", tmp_path / "fox")
    (tmp_path / "edge").mkdir()
    stage = Path(shutil.copy(data / "edge" / "fox_survey_keys.usda", tmp_path / "edge" / "shot.usda"))
    config = RunConfig(
        stage=str(stage), keys=(0.0, 12.0), prior="slerp", takes=2, preview=False, report=False
    )
    result = run(config)
    folder = Path(result.run)
    told = json.loads((folder / "shot_inbetween.json").read_text(encoding="utf-8"))
    info = stage_info(open_stage(result.result))
    assert told["frame_range"] == [info.start, info.end]
    assert told["result"] == "shot_inbetween.usda"
    assert (folder / told["source"]).samefile(stage)
    (skeleton,) = told["skeletons"]
    assert (skeleton["keys"], skeleton["gaps"], skeleton["takes"]) == ([0.0, 12.0], [[0.0, 12.0]], 2)
    assert skeleton["frames_filled"] == 11
    assert told["settings"]["prior"] == "slerp"
    assert told["engine"] == "motion"
    assert set(told["files"]) == {"shot_inbetween.usda", "shot_inbetween_anim.usdc"}
    for name, digest in {**told["files"], **told["inputs"]}.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert "../shot.usda" in told["inputs"]
