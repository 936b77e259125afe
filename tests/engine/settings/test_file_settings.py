from dataclasses import replace

import pytest

from engine.config import RunConfig
from engine.settings.file_settings import file_settings, named_files, with_files

HASH = "0" * 64
CONFIG = RunConfig(
    stage="a.usda",
    engine="video",
    model="wan22-vace-fun",
    camera="front",
    caption="captioner",
    few_step_lora=(f"l.safetensors@{HASH}", "m.safetensors"),
)


def test_every_path_of_a_run_is_found() -> None:
    assert set(named_files(CONFIG)) == {"a.usda", "front", "captioner", "l.safetensors", "m.safetensors"}


def test_paths_change_and_hashes_stay() -> None:
    changed = with_files(RunConfig, CONFIG.to_dict(), lambda path: f"/show/{path}", lambda text: text)
    assert RunConfig(**changed) == replace(
        CONFIG,
        stage="/show/a.usda",
        caption="/show/captioner",
        few_step_lora=(f"/show/l.safetensors@{HASH}", "/show/m.safetensors"),
    )


@pytest.mark.parametrize("value", [None, 3, {"a": 1}, [1, "x"]])
def test_values_of_other_types_are_left_to_the_check_of_settings(value: object) -> None:
    changed = with_files(RunConfig, {"stage": value}, lambda path: f"/show/{path}")
    assert changed["stage"] == ([1, "/show/x"] if isinstance(value, list) else value)


def test_settings_that_help_calls_a_file_or_folder_are_declared_to_name_one() -> None:
    from engine.settings.setting import fields_of

    declared = {field.name for field in file_settings(RunConfig)}
    words = ("FILE", "FOLDER", "STAGE")
    told = {f.name for f in fields_of(RunConfig) if any(word in f.setting.metavar for word in words)}
    assert told - {"out"} <= declared
