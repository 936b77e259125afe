"""``anymole report FOLDER``: many runs on one page for whoever answers for them, to be sorted by error or state."""

import base64
import io
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image

from engine.errors import SHOWN_ERRORS, ConfigError
from engine.files.atomic import write_text
from engine.report.contents import SLERP, read_result
from engine.report.page import SHEET, asset, document, inert
from engine.report.words import about, in_full, joint_error
from engine.report.write import REPORT_PAGE
from engine.runs.registry import RunRecord, list_runs
from engine.runs.workspace import read_settings
from usd_io.errors import shown

SHEET_PAGE = "runs.html"
THUMBNAIL_PX = 240, 120
"""Largest width and height."""
MOST_THUMBNAILS = 400
"""More runs are listed without pictures."""
LARGEST_PICTURE = 16 << 20
STATES = ("failed", "stopped", "silent", "cancelled", "unknown", "running", "waiting", "done")
"""In the order in which they want to be looked at."""


@dataclass(frozen=True)
class SheetRow:
    """One skeleton of one run."""

    run: RunRecord
    shot: str
    """File name of the stage; empty where the settings cannot be read."""
    skeleton: str
    """Prim path; empty of a run without a result."""
    gaps: int | None
    frames: int | None
    expected: float | None
    """Error to expect of a joint [heights]."""
    known: float | None
    """Error against the truth."""
    slerp: float | None
    """Slerp's against the truth, else the one to expect of it."""
    height: float | None
    """[stage units]"""
    meters_per_unit: float | None
    exact: bool | None
    """Whether the keys are kept to the last bit."""

    @property
    def worst_first(self) -> tuple[int, float]:
        """Sorts what wants to be looked at to the front."""
        error = self.known if self.known is not None else self.expected
        return STATES.index(self.run.state), -(error or 0.0)


def rows_below(folder: Path) -> tuple[SheetRow, ...]:
    """A row per skeleton of every run in a folder and the folders below; what wants to be looked at comes first.

    Raises:
        ConfigError: There is no such folder, or no run in it.
    """
    if not folder.is_dir():
        raise ConfigError(f"{shown(folder)} is no folder; name one with runs in it, or a run.")
    rows = [row for record in list_runs([folder]) for row in _rows(record)]
    if not rows:
        raise ConfigError(f"{shown(folder)} holds no runs; 'anymole runs' lists those that are known.")
    return tuple(sorted(rows, key=lambda row: row.worst_first))


def write_sheet(folder: Path, out: Path | None = None) -> Path:
    """Write the page of the runs in a folder.

    Args:
        folder: Where to look.
        out: Where to; None: ``runs.html`` in the folder. Links to the runs are relative to it.

    Raises:
        ConfigError: As :func:`rows_below`.
        EngineError: It cannot be written.
    """
    path = out or folder / SHEET_PAGE
    write_text(path, sheet_page(rows_below(folder), folder, path.parent), "name another file")
    return path


def _rows(record: RunRecord) -> list[SheetRow]:
    folder = Path(record.folder)
    shot, result = "", {}
    try:
        shot = Path(read_settings(folder).stage).name
        result = dict(read_result(folder)) if record.state == "done" else {}
    except SHOWN_ERRORS:
        pass
    plans = {plan.get("skeleton_path"): plan for plan in result.get("plan", ()) if isinstance(plan, Mapping)}
    rows = []
    for path, scores in result.get("scores", {}).items():
        try:
            rows.append(_scored(record, shot, str(path), scores, plans.get(path, {})))
        except (KeyError, TypeError, ValueError, AttributeError):
            continue  # of another version: the run is listed without them
    return rows or [SheetRow(record, shot, "", *(None,) * 8)]


def _scored(
    record: RunRecord, shot: str, path: str, scores: Mapping[str, Any], plan: Mapping[str, Any]
) -> SheetRow:
    joints = scores.get("joints")

    def per_joint(l2p: float | None) -> float | None:
        return None if l2p is None or not joints else joint_error(float(l2p), int(joints))

    test, truth = scores["self_test"], scores["truth"]
    expected = per_joint(test["expected_l2p"])
    slerp = None if not (expected and test["expected_ratio"]) else expected / float(test["expected_ratio"])
    return SheetRow(
        run=record,
        shot=shot,
        skeleton=path,
        gaps=len(plan.get("gaps", ())),
        frames=int(scores["frames"]),
        expected=expected,
        known=per_joint(truth[scores["prior"]]["l2p"]) if truth else None,
        slerp=per_joint(truth[SLERP]["l2p"]) if truth else slerp,
        height=scores.get("height"),
        meters_per_unit=scores.get("meters_per_unit"),
        exact=float(scores["key_error"]) == 0,
    )


def sheet_page(rows: Sequence[SheetRow], folder: Path, place: Path) -> str:
    """The page as HTML.

    Args:
        rows: In the order in which they are shown first.
        folder: What was looked through, for the title.
        place: Folder in which the page will lie.
    """
    states = {state: sum(row.run.state == state for row in rows) for state in STATES}
    summary = ", ".join(f"<b>{count}</b> {state}" for state, count in states.items() if count)
    heads = ("", "Shot", "State", "Expected", "Against the truth", "slerp", "Gaps", "Frames", "Keys", "Begun")
    head = "".join(
        f"<th scope='col'>{f'<button type=button>{name}</button>' if name else ''}</th>" for name in heads
    )
    pictures = len(rows) <= MOST_THUMBNAILS
    body = "".join(_line(row, place.absolute(), pictures=pictures) for row in rows)
    now = time.strftime("%Y-%m-%d %H:%M")
    return document(
        f"Runs in {folder.absolute().name}",
        f"""<header><h1>{inert(folder.absolute().name)}</h1><p class="quiet">{summary} · as of {now}</p></header>
<p><label>Find <input id="find" type="search"></label></p>
<div class="scroll"><table id="runs"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>
<p class="quiet">How far off a joint is, as the root mean square over the joints, expected from a test on the shot's own
context or known from the truth. A click on a title sorts by it; a click on a shot opens its report.</p>""",
        [asset("report.css"), asset("sheet.css")],
        [asset("sheet.js")],
    )


def _line(row: SheetRow, place: Path, *, pictures: bool) -> str:
    folder = Path(row.run.folder)
    picture = _thumbnail(folder / SHEET, 3 if row.known is None else 4) if pictures else ""
    name = f"{inert(row.shot or folder.name)}"
    link = _link(folder / REPORT_PAGE, place)
    titled = f"<a href='{link}'>{name}</a>" if link else name
    why = (
        f"<br><small>{inert(row.run.message)}</small>" if row.run.message and row.run.state != "done" else ""
    )
    percent = (
        f" {row.run.percent:.0f} %" if row.run.state == "running" and row.run.percent is not None else ""
    )
    begun = ""
    with suppress(ValueError, OverflowError, OSError):  # of a damaged run
        begun = time.strftime("%Y-%m-%d %H:%M", time.localtime(row.run.started)) if row.run.started else ""
    exact = "" if row.exact is None else "exact" if row.exact else "not exact"
    cells = (
        ("", f"<img alt='' src='{picture}'>" if picture else ""),
        (row.shot, f"{titled}<br><small>{inert(row.skeleton)} {inert(row.run.id)}</small>"),
        (
            STATES.index(row.run.state),
            f"<span class='state {escape(row.run.state)}'>{escape(row.run.state)}{percent}</span>{why}",
        ),
        *(
            (error if error is not None else "", _error(row, error))
            for error in (row.expected, row.known, row.slerp)
        ),
        (row.gaps if row.gaps is not None else "", "" if row.gaps is None else str(row.gaps)),
        (row.frames if row.frames is not None else "", "" if row.frames is None else str(row.frames)),
        (exact, exact),
        (row.run.started or "", begun),
    )
    return "<tr>" + "".join(f"<td data-by='{inert(by)}'>{text}</td>" for by, text in cells) + "</tr>"


def _error(row: SheetRow, error: float | None) -> str:
    if error is None or not row.height or not row.meters_per_unit:
        return ""
    words = about(error, row.height, row.meters_per_unit)
    return f"{words}<br><small>{in_full(error, row.height)}</small>"


def _link(path: Path, place: Path) -> str:
    """Relative address of a file; empty where there is none."""
    try:
        relative = path.absolute().relative_to(place)
    except ValueError:
        return inert(path.absolute().as_uri()) if path.is_file() else ""
    return quote(relative.as_posix(), errors="surrogateescape") if path.is_file() else ""


def _thumbnail(path: Path, rows: int) -> str:
    """The first pictures of the third row of a run's contact sheet, the result; empty where there is none."""
    try:
        if path.is_symlink() or path.stat().st_size > LARGEST_PICTURE:
            return ""
        with Image.open(path, formats=("PNG",)) as image:
            width, height = image.size
            top, bottom = round(2 * height / rows), round(3 * height / rows)
            cut = image.convert("RGB").crop((0, top, min(width, 3 * (bottom - top)), bottom))
            cut.thumbnail(THUMBNAIL_PX)
            stream = io.BytesIO()
            cut.save(stream, "JPEG", quality=75)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return ""
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()
