"""Weights brought here from a studio's mirror, a folder or the hub's cache, and checked."""

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from engine.errors import (
    ConfigError,
    DataError,
    EngineError,
    ExitCode,
    ResourceMissing,
    RunCancelled,
    exit_code,
)
from engine.files.hashing import content_hash
from engine.files.tensors import save_tensors
from engine.progress import Progress
from engine.video.catalogue import fetch, models
from engine.video.catalogue.models import ModelCard

DINO, WAN = models.card("dinov2"), models.card("wan-vace")


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any weights; its folders are those of the test."""
    for name in ("HF_HUB_CACHE", "HF_HUB_OFFLINE", fetch.MIRROR):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub_home"))
    monkeypatch.setenv("ANYMOLE_MODELS", str(tmp_path / "here"))
    return tmp_path / "here"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A studio's folder of models: two networks, with hashes."""
    dino = tmp_path / "store" / DINO.name
    save_tensors(dino / "model.safetensors", {"a": torch.arange(5000.0)}, {})
    (dino / "config.json").write_text("{}")
    write_sums(dino)
    wan = tmp_path / "store" / WAN.name
    parts = {p: ["diffusers", "Kind"] for p in WAN.parts} | {"transformer_2": [None, None], "_version": "0"}
    for part in WAN.parts:
        (wan / part).mkdir(parents=True)
    (wan / "model_index.json").write_text(json.dumps(parts))
    (wan / "scheduler" / "scheduler_config.json").write_text("{}")
    (wan / "tokenizer" / "tokenizer_config.json").write_text("{}")
    for part, stem in (
        ("text_encoder", "model"),
        ("transformer", "diffusion_pytorch_model"),
        ("vae", "other"),
    ):
        (wan / part / "config.json").write_text("{}")
        save_tensors(wan / part / f"{stem}.safetensors", {part: torch.ones(3)}, {})
    shard = "model-00001-of-00001.safetensors"
    (wan / "text_encoder" / "model.safetensors").rename(wan / "text_encoder" / shard)
    index = {"weight_map": {"text_encoder": shard}}
    (wan / "text_encoder" / "model.safetensors.index.json").write_text(json.dumps(index))
    write_sums(wan)
    return tmp_path / "store"


def write_sums(folder: Path) -> None:
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != fetch.SUMS)
    lines = [f"{content_hash(p)}  {p.relative_to(folder).as_posix()}\n" for p in files]
    (folder / fetch.SUMS).write_text("".join(lines))


class Handler(SimpleHTTPRequestHandler):
    """A mirror that knows ranges and, for names with ``cut``, ends early once."""

    seen: list[tuple[str, str]]
    cut: set[str]

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        self.seen.append((path.name, self.headers.get("Range", "")))
        if not path.is_file():
            self.send_error(404)
            return
        whole = path.read_bytes()
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        if start and start >= len(whole):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(whole) - start))
        self.end_headers()
        end = len(whole) // 2 if path.name in self.cut else len(whole)
        self.cut.discard(path.name)
        self.wfile.write(whole[start:end])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def handler() -> type[Handler]:
    return type("Seen", (Handler,), {"seen": [], "cut": set()})


@pytest.fixture
def mirror(store: Path, handler: type[Handler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(store)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def pull(model: ModelCard, source: object = "") -> list[Path]:
    return fetch.pull(model, str(source), progress=Progress())


@pytest.mark.parametrize("kind", ["web", "folder"])
@pytest.mark.parametrize("model", [DINO, WAN], ids=lambda m: m.name)
def test_model_comes_from_a_mirror_and_is_checked_by_hash(
    store: Path, mirror: str, machine: Path, model: ModelCard, kind: str
) -> None:
    assert models.find_model(model).state == "missing"
    paths = pull(model, mirror if kind == "web" else store)
    assert all(p.is_relative_to(machine) and p.is_file() for p in paths)
    assert {checked.how for checked in fetch.verify(model)} == {"hash"}
    assert models.find_model(model).state == "ready"
    assert not list(machine.rglob("*.part"))


def test_mirror_of_the_environment_is_used_and_nothing_comes_twice(
    mirror: str, handler: type[Handler], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(fetch.MIRROR, mirror)
    pull(DINO)
    assert [name for name, _ in handler.seen] == [fetch.SUMS, "config.json", "model.safetensors"]
    handler.seen.clear()
    pull(DINO)
    assert [name for name, _ in handler.seen] == [fetch.SUMS]


def test_a_source_that_is_neither_web_nor_folder_is_a_usage_error() -> None:
    with pytest.raises(ConfigError, match="nothing is fetched by ftp://"):
        pull(DINO, "ftp://mirror.example/models")


def test_download_goes_on_where_it_was_cut_off(mirror: str, handler: type[Handler], store: Path) -> None:
    handler.cut.add("model.safetensors")
    with pytest.raises(ResourceMissing, match="run it again") as caught:
        pull(DINO, mirror)
    assert exit_code(caught.value) == ExitCode.RETRYABLE
    assert models.find_model(DINO).state == "incomplete"
    pull(DINO, mirror)
    half = (store / DINO.name / "model.safetensors").stat().st_size // 2
    assert handler.seen[-1] == ("model.safetensors", f"bytes={half}-")
    assert {checked.how for checked in fetch.verify(DINO)} == {"hash"}


def test_download_stops_when_asked_to(mirror: str) -> None:
    with pytest.raises(RunCancelled):
        fetch.pull(DINO, mirror, progress=Progress(cancel=lambda: True))


def test_wrong_hash_is_refused_and_not_kept(store: Path, mirror: str, machine: Path) -> None:
    target = store / DINO.name / "model.safetensors"
    save_tensors(target, {"a": torch.zeros(5000)}, {})
    with pytest.raises(DataError, match="SHA-256"):
        pull(DINO, mirror)
    assert sorted(p.name for p in (machine / DINO.name).iterdir()) == [fetch.SUMS, "config.json"]


def test_damage_after_the_download_is_found(store: Path, machine: Path) -> None:
    pull(DINO, store)
    file = machine / DINO.name / "model.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-8])
    with pytest.raises(DataError, match="SHA-256") as caught:
        fetch.verify(DINO)
    assert exit_code(caught.value) == ExitCode.VALIDATION
    (machine / DINO.name / fetch.SUMS).unlink()
    with pytest.raises(DataError, match="should have"):
        fetch.verify(DINO)
    file.write_bytes(whole)
    assert [checked.how for checked in fetch.verify(DINO)] == ["form", "form"]
    torch.save({"a": torch.ones(2)}, file)
    with pytest.raises(DataError, match="pickle"):
        fetch.verify(DINO)


def test_missing_shard_of_a_pipeline_is_named(store: Path, machine: Path) -> None:
    pull(WAN, store)
    shard = machine / WAN.name / "text_encoder" / "model-00001-of-00001.safetensors"
    shard.unlink()
    with pytest.raises(ResourceMissing, match="text_encoder/model-00001"):
        fetch.verify(WAN)
    assert models.find_model(WAN).state == "incomplete"


@pytest.mark.parametrize("names", [["../../evil"], [3], "text"])
def test_index_that_leads_out_of_its_folder_is_refused(store: Path, machine: Path, names: object) -> None:
    pull(WAN, store)
    index = machine / WAN.name / "text_encoder" / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": dict(enumerate(names)) if isinstance(names, list) else names}))
    with pytest.raises(DataError, match="names no files"):
        fetch.verify(WAN)


@pytest.mark.parametrize("line", ["0" * 64 + "  ../evil", "hello", "0" * 63 + "  name"])
def test_list_of_hashes_that_is_none_is_refused(store: Path, line: str) -> None:
    (store / DINO.name / fetch.SUMS).write_text(line + "\n")
    with pytest.raises(DataError, match="sha256sum"):
        pull(DINO, store)


def test_sources_that_lack_the_model_or_are_not_there_say_so(
    store: Path, mirror: str, tmp_path: Path
) -> None:
    with pytest.raises(ResourceMissing, match="lacks a file"):
        pull(models.card("fit3d"), mirror)
    (store / WAN.name / fetch.SUMS).unlink()
    with pytest.raises(ResourceMissing, match="needs one"):
        pull(WAN, mirror)
    with pytest.raises(ResourceMissing, match="cannot be fetched"):
        pull(DINO, "http://127.0.0.1:9")
    with pytest.raises(ResourceMissing, match="lacks a file"):
        pull(DINO, tmp_path / "nowhere")


def test_unwritable_folder_is_said(store: Path, machine: Path) -> None:
    machine.write_text("a file")
    with pytest.raises(EngineError, match="ANYMOLE_MODELS"):
        pull(DINO, store)


def test_offline_forbids_the_web_but_no_folder(
    store: Path, mirror: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for source in (mirror, ""):
        with pytest.raises(ResourceMissing, match="HF_HUB_OFFLINE"):
            pull(DINO, source)
    assert pull(DINO, store)
    assert pull(DINO)


def test_large_files_in_the_cache_of_the_hub_are_checked_by_their_names(store: Path, tmp_path: Path) -> None:
    repository = tmp_path / "hub_home" / "hub" / "models--facebook--dinov2-with-registers-base"
    snapshot, blobs = repository / "snapshots" / "abc", repository / "blobs"
    for folder in (snapshot, blobs, repository / "refs"):
        folder.mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    (snapshot / "config.json").write_text("{}")
    whole = (store / DINO.name / "model.safetensors").read_bytes()
    blob = blobs / content_hash(store / DINO.name / "model.safetensors")
    blob.write_bytes(whole)
    (snapshot / "model.safetensors").symlink_to(blob)
    assert [checked.how for checked in fetch.verify(DINO)] == ["form", "hash"]
    blob.write_bytes(whole[:-4] + b"abcd")
    with pytest.raises(DataError, match="SHA-256"):
        fetch.verify(DINO)


def test_tiny_is_part_of_the_package_and_checked_by_hash() -> None:
    model = models.card("tiny")
    assert models.find_model(model).state == "ready"
    assert [checked.how for checked in fetch.verify(model)] == ["hash"]
    assert pull(model) == [models.EMBEDDED / model.files[0].name]


def test_every_card_says_what_a_user_has_to_know() -> None:
    for model in models.CARDS:
        assert model.licence
        assert model.files
        assert model.gigabytes > 0
        assert model.memory_generate_gb > 0
    with pytest.raises(ConfigError, match="choose"):
        models.card("sora")
