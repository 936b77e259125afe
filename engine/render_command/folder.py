"""The folder that ``render`` fills: images by view, videos, a contact sheet, cameras and joint tracks."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from engine.files.atomic import whole_file, write_text
from engine.files.images import Picture, VideoWriter, contact_sheet, write_png
from engine.files.owned_folder import OwnedFolder, check_writable, refuse_foreign
from engine.render_command.config import RenderConfig
from engine.rendering.views import View, joint_tracks
from usd_io.model import Character, Motion, StageInfo
from usd_io.shapes import Float

SHEET_COLUMNS = 8
"""Pictures of each view that a contact sheet shows, spread over the motion."""
DATA, TRACKS, SHEET = "render.json", "tracks.npz", "contact_sheet.png"
KIND = "render"
FORMAT = 1
"""Version of ``render.json``."""


def check_render_folder(folder: Path) -> None:
    """Refuse a folder that pictures cannot or must not be written to; writes nothing.

    Raises:
        ConfigError: It is such a folder.
    """
    refuse_foreign(folder, KIND)
    check_writable(folder)


class RenderFolder:
    """What is written, as it comes."""

    def __init__(self, config: RenderConfig, times: Float[np.ndarray, " frame"], info: StageInfo) -> None:
        self.folder = Path(config.out)
        self.videos: list[str] = []
        self._config = config
        self._times = times
        self._info = info
        self._rows: dict[str, list[Picture]] = {}
        self._own = OwnedFolder(self.folder, KIND, (DATA, TRACKS, SHEET))
        self._own.claim(DATA, TRACKS, SHEET)

    def frame_rate(self) -> float:
        """Of the pictures [1/s]: the stage's own where they are one frame apart."""
        step = float(np.median(np.diff(self._times))) if len(self._times) > 1 else 0.0
        own = self._info.time_codes_per_second / self._info.frame_rate
        if step == 0 or abs(step - own) < 1e-6 * own:
            return self._info.frame_rate
        return self._info.time_codes_per_second / step

    def write_view(self, name: str, pictures: Iterator[Picture]) -> None:
        """Pictures of one view, and its video where one was requested."""
        shown_frames = (
            np.linspace(0, len(self._times) - 1, min(SHEET_COLUMNS, len(self._times))).round().astype(int)
        )
        row = self._rows.setdefault(name, [])
        self._own.claim(f"{name}/")
        size = self._config.height, self._config.width
        with ExitStack() as stack:
            video = None
            if self._config.video:
                self._own.claim(f"{name}.mp4")
                path = self.folder / f"{name}.mp4"
                video = stack.enter_context(VideoWriter(path, self.frame_rate(), *size))
                self.videos.append(str(path))
            for frame, picture in enumerate(pictures):
                write_png(self.folder / name / f"{frame:05d}.png", picture)
                if video is not None:
                    video.write(picture)
                if frame in shown_frames:
                    row.append(picture)

    def write_sheet(self) -> str:
        """The contact sheet, one row per view; empty where none was requested."""
        if not self._config.sheet:
            return ""
        path = self.folder / SHEET
        write_png(path, contact_sheet(list(self._rows.values()), list(self._rows)))
        return str(path)

    def write_data(
        self, views: Sequence[View], characters: Sequence[Character], motions: Sequence[Motion], renderer: str
    ) -> Path:
        """``render.json`` and ``tracks.npz``."""
        tracks = {
            f"skeleton{i}": np.stack([joint_tracks(c, m, v.cameras).astype(np.float32) for v in views])
            for i, (c, m) in enumerate(zip(characters, motions, strict=True))
        }
        facts = {
            "format": FORMAT,
            "stage": self._config.stage,
            "renderer": renderer,
            "appearance": self._config.appearance,
            "times": self._times.tolist(),
            "frame_rate": self.frame_rate(),
            "up_axis": self._info.up_axis,
            "meters_per_unit": self._info.meters_per_unit,
            "views": [
                {"name": v.name, "images": f"{v.name}/%05d.png", "cameras": v.cameras.to_dict()}
                for v in views
            ],
            "tracks": TRACKS,
            "skeletons": [
                {
                    "path": c.skeleton_path,
                    "array": f"skeleton{i}",
                    "axes": "view frame joint (x px, y px, depth)",
                    "joints": c.joints,
                }
                for i, c in enumerate(characters)
            ],
        }
        path = self.folder / DATA
        with whole_file(self.folder / TRACKS) as temporary, temporary.open("wb") as stream:
            np.savez(stream, **tracks)  # type: ignore[arg-type]  # its stub lacks keywords
        write_text(path, json.dumps(facts, indent=1, allow_nan=False) + "\n")
        return path
