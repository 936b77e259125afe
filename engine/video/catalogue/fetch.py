"""Bring weights here and check them: from the hub, a studio's mirror over HTTP, or a folder.

A mirror, or a folder, has one sub-folder per model with the model's files and, optionally, their hashes in
``SHA256SUMS`` as ``sha256sum`` writes it; where a model has many files (a diffusers pipeline) that list is needed.
Features: downloads go on where they were cut off; a file gets its name when it is whole and its hash is right; what is
there already is not fetched again. Nothing that could run code is ever loaded.
"""

import http.client
import os
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.errors import ConfigError, DataError, EngineError, ResourceMissing
from engine.files.atomic import is_inside
from engine.files.tensors import check_hash, check_safetensors, load_checkpoint
from engine.progress import Progress
from engine.video.catalogue.models import (
    PIPELINE,
    ModelCard,
    WeightFile,
    find_file,
    hub_cache,
    models_folder,
    offline,
    pipeline_files,
    require_file,
    require_pipeline,
)
from usd_io.errors import shown
from usd_io.files import put_in_place

SUMS = "SHA256SUMS"
MIRROR = "ANYMOLE_MIRROR"
"""Environment variable: where :func:`pull` fetches from, an http(s) address or a folder; unset: the hub."""
BLOCK = 1 << 20
TIMEOUT_S = 30.0
LARGEST_LIST = 1 << 20
_LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](\S.*)")


@dataclass(frozen=True)
class Checked:
    """One file that was looked at."""

    path: Path
    size: int
    """Bytes."""
    how: Literal["hash", "form"]
    """Compared with a known hash, or only found to be whole and safe to read."""


def pull(model: ModelCard, source: str = "", *, progress: Progress) -> list[Path]:
    """Fetch what is missing of a model and check it.

    Args:
        model: Which one.
        source: A mirror's http(s) address or a folder, each with one sub-folder per model; empty: ``ANYMOLE_MIRROR``,
            or the Hugging Face hub (whose own variables hold: ``HF_HOME``, ``HF_ENDPOINT``, ``HF_HUB_OFFLINE``).
        progress: Reports the bytes of each file as they come from a mirror.

    Returns:
        All files of the model.

    Raises:
        ConfigError: The source is neither an http(s) address nor a folder.
        ResourceMissing: Downloads are forbidden, or the source cannot be reached or lacks a file.
        DataError: A file came damaged, with another hash, or unsafe.
        EngineError: The folder cannot be written to.
    """
    source = source or os.environ.get(MIRROR, "")
    if not source:
        _pull_from_hub(model)
    else:
        remote = source.startswith(("http://", "https://"))
        if not remote and (scheme := re.match(r"[A-Za-z][\w+.-]+://", source)):
            raise ConfigError(
                f"nothing is fetched by {scheme[0]}; name an http:// or https:// address or a folder in place of "
                f"{shown(source)}.",
                settings=("source",),
            )
        if remote and offline():
            raise ResourceMissing(f"HF_HUB_OFFLINE forbids to fetch {model.name} from {shown(source)}.")
        get = _from_web if remote else _from_folder
        _pull_files(model, f"{source.rstrip('/')}/{model.name}", get, progress)
    return [checked.path for checked in verify(model)]


def verify(model: ModelCard) -> list[Checked]:
    """Check every file of a model that is here.

    Raises:
        ResourceMissing: Files are missing.
        DataError: A hash is another, or a file is damaged or unsafe.
    """
    # it builds networks of diffusers and transformers, which hashes of other files do not need
    from engine.video.catalogue.convert import DESCRIPTION, read_description

    own = models_folder() / model.name
    if (own / DESCRIPTION).is_file():
        parts = read_description(own)["parts"]
        files = {own / f"{part}.safetensors": WeightFile(part, 0.0, sha256) for part, sha256 in parts.items()}
    elif model.parts:
        files = {path: WeightFile(path.name, 0.0) for path in pipeline_files(require_pipeline(model))}
    elif model.name == "tiny":
        from engine.video.tiny import SHA256

        files = {require_file(model, file): WeightFile(file.name, 0.0, SHA256) for file in model.files}
    else:
        files = {require_file(model, file): file for file in model.files}
    return [_check(path, file) for path, file in files.items()]


def _check(path: Path, file: WeightFile) -> Checked:
    known = WeightFile(file.name, file.gigabytes, file.sha256 or known_hash(path))
    how: Literal["hash", "form"] = "hash" if verify_file(known, path) else "form"
    return Checked(path, path.stat().st_size, how)


def known_hash(path: Path) -> str:
    """What a list beside the model says, or the hub's cache, whose large files are named by their hash."""
    blob = path.resolve()
    if blob.parent.name == "blobs" and re.fullmatch(r"[0-9a-f]{64}", blob.name):
        return blob.name
    for folder in list(path.parents)[:2]:
        if (folder / SUMS).is_file():
            return read_sums((folder / SUMS).read_text(encoding="utf-8", errors="replace")).get(
                path.relative_to(folder).as_posix(), ""
            )
    return ""


def verify_file(file: WeightFile, path: Path) -> bool:
    """Check a file; False where its hash is not known to us, so that only its form was checked.

    Raises:
        ResourceMissing: There is no such file.
        DataError: The hash is another, or the file is damaged or unsafe.
    """
    if not path.is_file():
        raise ResourceMissing(f"{shown(path)} is not there.")
    if file.sha256:
        check_hash(path, file.sha256)
    if path.suffix == ".safetensors":
        check_safetensors(path)
    elif path.suffix in {".ckpt", ".pth", ".pt"}:
        load_checkpoint(path)
    return bool(file.sha256)


def read_sums(text: str) -> dict[str, str]:
    """Hashes by file name, from the output of ``sha256sum``.

    Raises:
        DataError: A line is none of it, or a name leads out of the folder.
    """
    sums = {}
    for line in filter(None, text.splitlines()):
        match = _LINE.fullmatch(line)
        if match is None or not is_inside(match[2]):
            raise DataError(
                f"{SUMS} has the line {shown(line)!r}; make it with 'sha256sum FILE... > {SUMS}'."
            )
        sums[match[2].removeprefix("./")] = match[1].lower()
    return sums


Get = Callable[[str, Path, Progress], bool]
"""Brings a file to a path; False where the source has none of that name."""


def _pull_files(model: ModelCard, source: str, get: Get, progress: Progress) -> None:
    folder = models_folder() / model.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        listed = folder / f"{SUMS}.new"
        has_list = get(f"{source}/{SUMS}", listed, progress)
        sums = read_sums(listed.read_text(encoding="utf-8", errors="replace")) if has_list else {}
        if model.parts and PIPELINE not in sums:
            raise ResourceMissing(
                f"{source} has no {SUMS} that names {PIPELINE}; {model.name} has many files and needs one."
            )
        if has_list:
            put_in_place(listed, folder / SUMS)
        for name in sums if model.parts else [file.name for file in model.files]:
            if find_file(model, WeightFile(name, 0.0)) is None:
                _pull_file(f"{source}/{name}", folder / name, sums.get(name, ""), get, progress)
    except OSError as error:
        raise EngineError(f"{folder} cannot be written to ({error.strerror}); set ANYMOLE_MODELS.") from error


def _pull_file(source: str, path: Path, sha256: str, get: Get, progress: Progress) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    if not get(source, part, progress):
        raise ResourceMissing(f"{shown(source)} is not there; the mirror lacks a file of the model.")
    if sha256:
        try:
            check_hash(part, sha256)
        except DataError:
            part.unlink()  # to go on with it would never come right
            raise
    put_in_place(part, path)


def _from_folder(source: str, path: Path, progress: Progress) -> bool:
    if not Path(source).is_file():
        return False
    progress.check()
    shutil.copyfile(source, path)
    return True


def _from_web(source: str, path: Path, progress: Progress) -> bool:
    """Download, going on after what is there already."""
    have = path.stat().st_size if path.is_file() and path.suffix == ".part" else 0
    request = urllib.request.Request(source, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            have = have if answer.status == 206 else 0
            total = have + int(answer.headers.get("Content-Length") or 0)
            with path.open("ab" if have else "wb") as file:
                while block := answer.read(BLOCK):
                    file.write(block)
                    have += len(block)
                    progress.step(have, max(have, total))
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing is left to come
            return True
        if error.code == 404:
            return False
        raise ResourceMissing(f"{shown(source)} answers with {error.code} {shown(error.reason)}.") from error
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ValueError) as error:
        raise ResourceMissing(f"{shown(source)} cannot be fetched: {shown(error)}.") from error
    if have < total:
        raise ResourceMissing(f"{shown(source)} ended after {have} of {total} bytes; run it again to go on.")
    return True


def _pull_from_hub(model: ModelCard) -> None:
    if model.parts:
        missing = not _complete(model)
    else:
        missing = any(find_file(model, file) is None for file in model.files)
    if missing and offline():
        raise ResourceMissing(
            f"files of {model.name} are missing and HF_HUB_OFFLINE forbids fetching them; pull them from a folder."
        )
    if not missing:
        return
    from huggingface_hub import hf_hub_download, snapshot_download

    try:
        if model.parts:
            wanted = [
                PIPELINE,
                *(f"{part}/*.{kind}" for part in model.parts for kind in ("json", "safetensors", "model")),
            ]
            snapshot_download(model.repository, allow_patterns=wanted, cache_dir=hub_cache())
        for file in model.files:
            if find_file(model, file) is None:
                hf_hub_download(model.repository, file.name, cache_dir=hub_cache())
    except Exception as error:  # the hub's own errors and those of three libraries below it
        raise ResourceMissing(f"{model.repository} cannot be fetched: {shown(error)}.") from error


def _complete(model: ModelCard) -> bool:
    try:
        require_pipeline(model)
    except (ResourceMissing, DataError):
        return False
    return True
