import json
from pathlib import Path

import pytest

from anymole_tui.cli.app import main
from engine.errors import ExitCode


def call(*arguments: object) -> int:
    try:
        main([str(a) for a in arguments])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_render_answers_on_stdout_and_talks_on_stderr(
    two_bone_arm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    code = call(
        "render",
        two_bone_arm,
        "--out",
        out,
        "--views",
        "front",
        "--times",
        "1:9:4",
        "--size",
        "32x48",
        "--json",
    )
    said = capsys.readouterr()
    assert code == ExitCode.OK
    assert json.loads(said.out)["images"] == 3
    assert "drew 3 of 3 images" in said.err
    assert len(list((out / "front").iterdir())) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--views", "top"], "'top' is no view"),
        (["--size", "big"], "'big' is no size"),
        (["--times", "9:1:1"], "9:1:1 is no row"),
        (["--appearance", "shiny"], "is 'shiny'; choose textured"),
        (["--camera", "/Nowhere"], "/Nowhere"),
        (["--skeleton", "/Nowhere"], "/Nowhere"),
    ],
)
def test_what_does_not_exist_is_a_usage_error(
    two_bone_arm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert call("render", two_bone_arm, "--out", tmp_path / "out", *options) == ExitCode.USAGE
    said = capsys.readouterr().err
    assert message in said
    assert (
        options[0] in said or options[1] == "/Nowhere"
    )  # the command line adds its option to what the engine says
    assert not (tmp_path / "out").exists()
