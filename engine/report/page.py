"""The page of a report: text that cannot act, a policy that lets nothing but its own scripts run, data as JSON."""

import base64
import hashlib
import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from html import escape
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from engine.config import RunConfig
from engine.planning.by_hand import listed
from engine.planning.plan import Plan
from engine.rendering.mesh.looks import LoadTexture
from engine.report.charts import draw
from engine.report.contents import RESULT, SLERP, Actor, Contents
from engine.report.curves import charts, choices
from engine.report.player import pack
from engine.report.words import about, in_full, joint_error
from engine.runs.command_line import run_command
from usd_io.errors import counted, shown, timecode

VIDEO, SHEET = "preview.mp4", "preview.png"
LARGEST_VIDEO, LARGEST_SHEET = 1_000_000, 600_000
"""Larger ones stay beside the report [bytes]."""
_OTHERS = ("numpy", "torch", "usd-core")


def asset(name: str) -> str:
    """The text of a file of the package."""
    return (files("engine.report") / "assets" / name).read_text(encoding="utf-8")


def inert(text: object) -> str:
    """Text from a file or a user, for HTML: control characters spelt out, markup escaped."""
    return escape(shown(text), quote=True)


def document(
    title: str,
    body: str,
    styles: Sequence[str],
    scripts: Sequence[str],
    data: Mapping[str, Any] | None = None,
) -> str:
    """A whole page that asks no network for anything.

    Args:
        title: Plain text.
        body: HTML; all text in it is escaped already.
        styles: CSS.
        scripts: Classic scripts, run in this order.
        data: Plain values, found by the scripts in the element ``data``.
    """
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src {' '.join(map(_source, scripts)) or chr(39) + 'none' + chr(39)}",
            f"style-src {' '.join(map(_source, styles))}",
            "img-src data:",
            "media-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    values = "" if data is None else f'<script id="data" type="application/json">{_json(data)}</script>\n'
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>{inert(title)}</title>\n{''.join(f'<style>{style}</style>' for style in styles)}\n</head>\n"
        f"<body>\n{body}\n{values}{''.join(f'<script>{script}</script>' for script in scripts)}\n</body>\n</html>\n"
    )


def _source(text: str) -> str:
    """The hash by which a policy knows a script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _json(data: Mapping[str, Any]) -> str:
    """JSON that no HTML parser takes for markup."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def report_page(contents: Contents, load_texture: LoadTexture) -> str:
    """The report as HTML."""
    data, notes = pack(contents, load_texture)
    stem = Path(contents.config.stage).name
    body = "\n".join(
        [
            _header(stem, contents),
            _player(contents, (*contents.notes, *notes)),
            _video(contents.folder),
            _plots(contents),
            *(_gaps(contents, actor) for actor in contents.actors),
            _settings(contents),
        ]
    )
    scripts = [asset("three.min.js"), asset("player.js")]
    return document(f"{stem}: in-between report", body, [asset("report.css")], scripts, data)


def _header(stem: str, contents: Contents) -> str:
    made = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    lines = "".join(f"<li>{line}</li>" for actor in contents.actors for line in _summary(contents, actor))
    return (
        f"<header><h1>{inert(stem)}</h1><p class='quiet'>In-betweened by anymole {inert(version('anymole'))} · "
        f"report of {inert(made)}</p><ul class='summary'>{lines}</ul></header>"
    )


def _summary(contents: Contents, actor: Actor) -> Iterable[str]:
    """What an animator asks first, one sentence each."""
    scores, plan = actor.scores, actor.plan
    name = f"<b>{inert(actor.character.name)}</b>: " if len(contents.actors) > 1 else ""
    frames = counted(int(scores["frames"]), "frame").replace(" ", "</b> ")
    yield f"{name}<b>{frames} filled in {counted(len(plan.gaps), 'gap')}, between {len(plan.keys)} keys."
    error = float(scores["key_error"])
    yield (
        f"The keys are <b>exact</b>, to the last bit{_in_part(plan)}."
        if error == 0
        else f"Largest distance from a key: {_in_full(actor, error)}."
    )
    truth = scores["truth"]
    expected = scores["self_test"]["expected_l2p"]
    if truth:
        errors = (_per_joint(actor, truth[take]["l2p"]) for take in (scores["prior"], SLERP))
        ours, slerp = (_about(contents, actor, error) for error in errors)
        yield f"Against the true motion a joint is <b>{ours}</b>; slerp {slerp}."
    if expected is not None:
        yield f"Expected without knowing the truth: a joint {_about(contents, actor, _per_joint(actor, expected))}."
    elif not truth:
        yield "The shot has no finished motion to test on, so the expected error is unknown."
    takes = len(scores["takes"])
    if takes > 1:
        yield f"{takes} takes; take 1 is the best estimate."


def _in_part(plan: Plan) -> str:
    """Keys at which some channel is filled: there the others are kept."""
    keys = sorted({*plan.keys} - {*plan.pose_keys})
    return f" (at {listed(keys)} of the channels that are keyed there)" if keys else ""


def _per_joint(actor: Actor, l2p: float) -> float:
    return joint_error(float(l2p), len(actor.character.joints))


def _about(contents: Contents, actor: Actor, error: float) -> str:
    return about(error, actor.height, contents.meters_per_unit)


def _in_full(actor: Actor, error: float) -> str:
    return in_full(error, actor.height)


def _player(contents: Contents, notes: Sequence[str]) -> str:
    takes = "".join(
        f"<option value='{index}'{' selected' if name == RESULT else ''}>{escape(name)}</option>"
        for index, name in enumerate(contents.actors[0].takes)
    )
    others = "".join(
        f"<option value='{i}'>{escape(name)}</option>" for i, name in enumerate(contents.actors[0].takes)
    )
    gaps = sorted({(gap.start, gap.end) for actor in contents.actors for gap in actor.plan.gaps})
    loops = "".join(
        f"<option value='{i}'>{timecode(a)} to {timecode(b)}</option>" for i, (a, b) in enumerate(gaps)
    )
    said = "".join(f"<li>{inert(note)}</li>" for note in notes)
    return f"""<section id="player" aria-label="3D player">
<div class="stage" tabindex="0"><canvas id="view"></canvas><p id="trouble" hidden></p>
<p class="over" id="clock" aria-live="off"></p></div>
<div class="controls">
<button id="play" type="button" title="Play or pause (space)">Play</button>
<button id="back" type="button" title="One frame back (left arrow)" aria-label="One frame back">&lsaquo;</button>
<button id="next" type="button" title="One frame on (right arrow)" aria-label="One frame on">&rsaquo;</button>
<label class="grow"><span class="hidden">Frame</span>
<input id="scrub" type="range" min="0" max="{len(contents.times) - 1}" value="0" step="1"></label>
</div>
<svg id="ticks" aria-hidden="true" viewBox="0 0 1000 8" preserveAspectRatio="none"></svg>
<div class="controls">
<label>Show <select id="take"><option value="keys">keys</option>{takes}</select></label>
<label>beside <select id="other"><option value="">nothing</option>{others}</select></label>
<label>Loop <select id="loop"><option value="">all</option>{loops}</select></label>
<label>Speed <select id="speed"><option>0.25</option><option>0.5</option><option selected>1</option><option>2</option>
</select></label>
<label><input id="ghosts" type="checkbox"> key poses</label>
<label><input id="bones" type="checkbox"> skeleton</label>
<button id="home" type="button" title="Look at all of it (h)">Reset view</button>
</div>
<p class="quiet">Drag to orbit, wheel to zoom, right button to pan. Space plays, arrows step, <kbd>[</kbd> and
<kbd>]</kbd> go from key to key, digits choose a take, <kbd>c</kbd> compares, <kbd>g</kbd> shows the key poses,
<kbd>b</kbd> the skeleton, <kbd>h</kbd> resets the view.</p>
<ul class="quiet">{said}</ul>
</section>"""


def _video(folder: Path) -> str:
    """The pictures that the run drew, where they are small enough to go along."""
    video, sheet = _encoded(folder / VIDEO, LARGEST_VIDEO), _encoded(folder / SHEET, LARGEST_SHEET)
    parts = []
    if video:
        parts.append(f'<video controls loop muted playsinline src="data:video/mp4;base64,{video}"></video>')
    if sheet:
        tag = f'<img alt="Contact sheet: keys, slerp, result" src="data:image/png;base64,{sheet}">'
        parts.append(f"<details{'' if video else ' open'}><summary>Contact sheet</summary>{tag}</details>")
    if not parts:
        return ""
    return f"<section><h2>Keys, slerp, result side by side</h2>{''.join(parts)}</section>"


def _encoded(path: Path, largest: int) -> str:
    """A file as base64; empty where it is missing or too large."""
    try:
        if path.is_symlink() or not 0 < path.stat().st_size <= largest:
            return ""
        return base64.b64encode(path.read_bytes()).decode()
    except OSError:
        return ""


def _plots(contents: Contents) -> str:
    return f"<section><h2>Speed and error</h2>{''.join(draw(chart) for chart in charts(contents))}</section>"


def _gaps(contents: Contents, actor: Actor) -> str:
    """The gaps with what is known of their error, in plain words."""
    scores, gaps = actor.scores, actor.plan.gaps
    truth = scores["truth"] or {}
    known = [list((truth.get(take) or {}).get("per_gap_l2p") or ()) for take in (scores["prior"], SLERP)]
    ours, slerp = (values if len(values) == len(gaps) else [None] * len(gaps) for values in known)
    ratio = scores["self_test"]["expected_ratio"]
    by_start = {choice["start"]: choice for choice in choices(scores)}
    rows = []
    for gap, true, bare in zip(gaps, ours, slerp, strict=True):
        choice = by_start.get(gap.start, {})
        expected = choice.get("expected_l2p")
        cells = [f"{timecode(gap.start)} to {timecode(gap.end)}", str(len(gap.times))]
        cells.append(
            "not known"
            if expected is None
            else _cell(contents, actor, expected, choice.get("expected_range"))
        )
        if truth:
            cells += [_cell(contents, actor, true, None), _cell(contents, actor, bare, None)]
        elif expected is not None and ratio:
            cells.append(_cell(contents, actor, expected / (choice.get("expected_ratio") or ratio), None))
        cells.append(_shares(choice))
        rows.append("".join(f"<td>{cell}</td>" for cell in cells))
    heads = ["Gap", "Frames", "Expected"]
    heads += ["Result", "slerp"] if truth else ["slerp, expected"] if any(_known(scores)) and ratio else []
    head = "".join(f"<th scope='col'>{name}</th>" for name in [*heads, "Filled by"])
    body = "".join(
        f"<tr tabindex='0' data-start='{gap.start!r}' data-end='{gap.end!r}'>{row}</tr>"
        for gap, row in zip(gaps, rows, strict=True)
    )
    title = inert(actor.plan.skeleton_path)
    return f"""<section><h2>Gaps of {title}</h2><p class="quiet">How far off a joint is, as the root mean square over
the {len(actor.character.joints)} joints; the height is {actor.height:.4g} stage units. Choose a gap to loop it.</p>
<div class="scroll"><table class="gaps"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></section>"""


def _known(scores: Mapping[str, Any]) -> Iterable[bool]:
    return (choice.get("expected_l2p") is not None for choice in choices(scores))


def _cell(contents: Contents, actor: Actor, l2p: float | None, bounds: Sequence[float] | None) -> str:
    if l2p is None:
        return "not known"
    error = _per_joint(actor, l2p)
    text = f"<b>{_about(contents, actor, error)}</b><br><small>{_in_full(actor, error)}</small>"
    if bounds:
        low, high = (_in_full(actor, _per_joint(actor, value)) for value in bounds)
        text += f"<br><small>from {low} to {high}</small>"
    return text


def _shares(choice: Mapping[str, Any]) -> str:
    """What fills a gap: the share of every prior, the rest being slerp's."""
    weights = [(str(name), float(share)) for name, share in choice.get("weights", ())]
    shares = [*weights, ("slerp", 1 - sum(share for _, share in weights))]
    return inert(", ".join(f"{name} {share:.0%}" for name, share in shares if share > 0.005))


def _settings(contents: Contents) -> str:
    config = contents.config
    rows = "".join(
        f"<tr><th scope='row'>{escape(name)}</th><td>{_value(value)}</td></tr>"
        for name, value in asdict(config).items()
    )
    hashes = "".join(
        f"<tr><th scope='row'>{inert(Path(path).name)}</th><td><code>{inert(digest)}</code></td></tr>"
        for path, digest in contents.hashes.items()
    )
    versions = {"anymole": version("anymole"), "Python": platform.python_version()}
    versions |= {name: version(name) for name in _OTHERS}
    listed = "".join(
        f"<tr><th scope='row'>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in versions.items()
    )
    return f"""<section><h2>Do it again</h2><pre><code>{escape(command(config))}</code></pre>
<p>Open the result: <code>{inert(Path(contents.result["result"]).name)}</code>, a layer over the untouched
<code>{inert(Path(config.stage).name)}</code>. Mute it and the original is back.</p>
<details><summary>Settings</summary><table>{rows}</table></details>
<details><summary>Versions and SHA-256 of the files</summary><table>{listed}{hashes}</table></details></section>"""


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(_value(each) for each in value) or "<span class='quiet'>not set</span>"
    return "<span class='quiet'>not set</span>" if value == "" else inert(value)


def command(config: RunConfig) -> str:
    """The command that does the run again, safe to be shown."""
    return "".join(c if c.isprintable() else shown(c) for c in run_command(replace(config, force=False)))
