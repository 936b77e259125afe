"""What a user imports: the public names are there, lazily, and the examples run as they stand."""

import ast
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from engine import video_pipeline
from tests.engine.few import Few

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
FOX = EXAMPLES / "fox" / "fox.usdc"
KEYS = EXAMPLES / "fox" / "fox_survey_keys.usda"


def run_python(*arguments: object) -> str:
    """Output of a script in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("package", ["anymole", "engine", "usd_io"])
def test_all_public_names_can_be_imported(package: str) -> None:
    code = f"import {package} as p; [getattr(p, n) for n in p.__all__]; assert set(p.__all__) <= set(dir(p))"
    run_python("-c", code)


@pytest.mark.parametrize("package", ["anymole", "engine", "usd_io"])
def test_type_checkers_see_the_same_names(package: str) -> None:
    tree = ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8"))
    guarded = next(n for n in tree.body if isinstance(n, ast.If))
    seen = [a.name for n in ast.walk(guarded) if isinstance(n, ast.ImportFrom) for a in n.names]
    listed = next(
        n for n in tree.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "__all__"
    )
    assert sorted(seen) == sorted(ast.literal_eval(listed.value))


def test_importing_the_door_loads_nothing_heavy() -> None:
    code = "import anymole, sys; print(*{'numpy', 'torch', 'pxr', 'textual'} & {*sys.modules})"
    assert run_python("-c", code).strip() == ""


def test_an_unknown_name_is_an_attribute_error() -> None:
    import anymole

    with pytest.raises(AttributeError, match="runn"):
        _ = anymole.runn


@pytest.mark.parametrize("name", ["engine", "usd_io"])
def test_a_foreign_package_of_our_name_is_named_in_one_sentence(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]; import anymole"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "under the name 'engine' or 'usd_io' hides" in done.stderr.splitlines()[-1]


def test_files_and_folders_may_be_named_by_text(tmp_path: Path) -> None:
    import anymole

    with pytest.raises(anymole.ConfigError, match="nowhere is no run folder"):
        anymole.resume("nowhere")
    (tmp_path / "run.toml").write_text("stage = 'shot.usda'")
    assert anymole.read_config(str(tmp_path / "run.toml")).stage == "shot.usda"
    (tmp_path / "suite.toml").write_text("")
    with pytest.raises(anymole.ConfigError, match=r"suite\.toml holds no"):
        anymole.benchmark(str(tmp_path / "suite.toml"))


def test_fill_a_shot(tmp_path: Path) -> None:
    printed = run_python(EXAMPLES / "fill_a_shot.py", KEYS, tmp_path / "out")
    assert str(tmp_path / "out" / "fox_survey_keys_inbetween.usda") in printed


def test_fill_arrays() -> None:
    printed = run_python(EXAMPLES / "fill_arrays.py", KEYS)
    assert "8 keys of 24 joints became 83 frames" in printed
    assert "the keys are untouched: True" in printed


def run_here(script: Path, *arguments: object, capsys: pytest.CaptureFixture[str]) -> str:
    """Output of a script in this interpreter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(script), *map(str, arguments)])
        runpy.run_path(str(script), run_name="__main__")
    return capsys.readouterr().out


def test_render_and_mimic(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one example draws another can be given as its video; little is learnt from it here."""
    import anymole

    monkeypatch.setattr(video_pipeline, "EstimatorSettings", Few)
    printed = run_here(EXAMPLES / "render_a_character.py", FOX, tmp_path / "drawn", capsys=capsys)
    assert printed.startswith("4 images")
    anymole.render_stage(
        anymole.RenderConfig(
            stage=str(FOX),
            out=str(tmp_path / "video"),
            views=("front",),
            times=tuple(range(0, 13, 2)),
            size=(64, 96),
        )
    )
    pictures = next(p.parent for p in (tmp_path / "video").rglob("*.png"))
    example = EXAMPLES / "mimic_a_video.py"
    printed = run_here(example, FOX, pictures, tmp_path / "out", 0, 12, capsys=capsys)
    assert Path(printed.removeprefix("open ").strip()).is_file()


def test_evaluate_a_clip() -> None:
    printed = run_python(EXAMPLES / "evaluate_a_clip.py", FOX)
    ratios = {line.split()[0]: float(line.split()[-4]) for line in printed.splitlines()}
    assert ratios["slerp"] == 1.0
    assert ratios["auto"] < 1.0


def test_the_api_page_says_what_the_docstrings_say() -> None:
    run_python("scripts/make_api.py", "--check")
