"""``anymole render`` from a stage to files."""

import json
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from pxr import Usd, UsdGeom

from engine.errors import ConfigError
from engine.events import Event, Note, StageProgress
from engine.progress import Progress
from engine.render_command.config import RenderConfig
from engine.render_command.run import render_stage
from usd_io.errors import StageReadError


def small(stage: Path, out: Path, **more: object) -> RenderConfig:
    return RenderConfig(stage=str(stage), out=str(out), size=(48, 64), renderer="torch", **more)  # type: ignore[arg-type]


def test_pictures_tracks_cameras_video_and_sheet(two_bone_arm: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    out = tmp_path / "out"
    config = small(two_bone_arm, out, views=("front", "30"), video=True, sheet=True)
    result = render_stage(config, Progress(events.append))
    facts = json.loads((out / "render.json").read_text())
    assert facts["times"] == list(range(1, 10))  # every frame from the first sample to the last
    assert facts["frame_rate"] == 24
    assert result.images == 18
    assert [v["name"] for v in facts["views"]] == ["front", "azimuth30"]
    assert sorted(p.name for p in (out / "front").iterdir()) == [f"{i:05d}.png" for i in range(9)]
    with Image.open(out / "front" / "00004.png") as image:
        assert image.size == (64, 48)
        assert np.asarray(image).std() > 5
    tracks = np.load(out / "tracks.npz")["skeleton0"]
    assert tracks.shape == (2, 9, 2, 3)
    assert np.isfinite(tracks).all()
    with av.open(str(out / "front.mp4")) as container:
        assert container.streams.video[0].frames == 9
    assert Path(result.sheet).is_file()
    done = [e.done for e in events if isinstance(e, StageProgress)]
    assert done[-1] == 18


def test_several_characters_share_a_picture(data: Path, tmp_path: Path) -> None:
    """Two references to one file, side by side."""
    stage = Usd.Stage.CreateNew(str(tmp_path / "two.usda"))
    for i, x in enumerate((-150.0, 150.0)):
        prim = stage.DefinePrim(f"/Fox{i}", "Xform")
        fox = stage.DefinePrim(f"/Fox{i}/Fox")
        fox.GetReferences().AddReference(str(data / "fox" / "fox.usdc"))
        UsdGeom.Xformable(prim).AddTranslateOp().Set((x, 0, 0))
    stage.Save()
    render_stage(small(tmp_path / "two.usda", tmp_path / "out", times=(0.0,), views=("front",), ground=False))
    facts = json.loads((tmp_path / "out" / "render.json").read_text())
    assert len(facts["skeletons"]) == 2
    covered = (np.asarray(Image.open(tmp_path / "out" / "front" / "00000.png")) < 250).any(-1).any(0)
    assert covered[:32].any()
    assert covered[32:].any()
    assert not covered[30:34].any()


def test_a_camera_of_the_stage_is_taken(two_bone_arm: Path, tmp_path: Path) -> None:
    stage = Usd.Stage.Open(str(two_bone_arm))
    camera = UsdGeom.Camera.Define(stage, "/Cam")
    camera.AddTranslateOp().Set((2, 0, 12))
    stage.Save()
    result = render_stage(small(two_bone_arm, tmp_path / "out", times=(1.0, 5.0), camera="/Cam"))
    assert result.images == 2
    tracks = np.load(tmp_path / "out" / "tracks.npz")["skeleton0"]
    assert tracks[0, :, 0, 2] == pytest.approx(12)
    assert (np.asarray(Image.open(tmp_path / "out" / "camera" / "00000.png")) < 250).any()


def test_a_skeleton_without_mesh_shows_its_bones(data: Path, tmp_path: Path) -> None:
    stage = Usd.Stage.Open(str(data / "fox" / "fox.usdc"))
    mesh = next(p for p in stage.Traverse() if p.IsA(UsdGeom.Mesh))
    stage.GetRootLayer().Export(str(tmp_path / "bare.usda"))
    bare = Usd.Stage.Open(str(tmp_path / "bare.usda"))
    bare.RemovePrim(mesh.GetPath())
    bare.Save()
    notes: list[Event] = []
    render_stage(small(tmp_path / "bare.usda", tmp_path / "out", times=(0.0,)), Progress(notes.append))
    assert any(isinstance(n, Note) and "bones" in n.text for n in notes)
    assert (np.asarray(Image.open(tmp_path / "out" / "left" / "00000.png")) < 120).any()


def test_a_stage_without_skeleton_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(StageReadError, match="holds no skeleton"):
        render_stage(small(data / "edge" / "fox_walk_anim_only.usda", tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"elevation_deg": 90.0}, "elevation_deg is 90; choose above -90 and below 90"),
        ({"times": (float("nan"),)}, "times is"),
        ({"size": (0, 512)}, "size is 0x512; choose 1 to 8192"),
        ({"size": "1x2"}, "size is '1x2'; give a height and a width"),
        ({"appearance": "shiny"}, "appearance is 'shiny'; choose textured, shaded or canonical"),
        ({"views": ("top",)}, "'top' is no view; choose front, left, right, back or azimuths"),
        ({"views": ("front", "nan")}, "'nan' is no view"),
        ({"times": (3, 1)}, "times must increase"),
        ({"times": (1, 1)}, "times must increase"),
        ({"views": ()}, "no view is named"),
        ({"threads": -1}, "threads is -1"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(more: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        RenderConfig(stage="s.usda", out="o", **more)  # type: ignore[arg-type]
    assert caught.value.settings == tuple(more)


@pytest.mark.parametrize("time", [1e300, -1e9, 9.5])
def test_times_outside_of_what_the_stage_holds_are_refused(
    time: float, two_bone_arm: Path, tmp_path: Path
) -> None:
    config = small(two_bone_arm, tmp_path / "out", times=(time,), views=("front",))
    with pytest.raises(ConfigError, match=r"lies outside .* 1\.\.9; choose a time inside") as caught:
        render_stage(config)
    assert caught.value.settings == ("times",)
    assert not (tmp_path / "out").exists()
    stage = Usd.Stage.Open(str(two_bone_arm))
    stage.SetStartTimeCode(0)
    stage.SetEndTimeCode(9.5)
    stage.Save()
    if time == 9.5:  # within the range of the stage the last pose is held
        assert render_stage(config).images == 1


def test_times_must_increase(two_bone_arm: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="increase"):
        render_stage(small(two_bone_arm, tmp_path / "out", times=(3.0, 2.0)))
