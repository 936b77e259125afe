"""The protocol that runs use, on the native networks."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.errors import ConfigError, DataError, ExitCode, OutOfMemory, ResourceMissing, exit_code
from engine.files.hashing import content_hash
from engine.files.tensors import save_tensors
from engine.files.video import Video
from engine.progress import Progress
from engine.video.adaptation.settings import AdaptSettings
from engine.video.backends import backend
from engine.video.backends.context import longest_stretch, strides_for
from engine.video.backends.devices import pick_device, precision
from engine.video.backends.dynamicrafter import Native
from engine.video.catalogue.model_cards import PREFIXES
from engine.video.catalogue.models import card
from engine.video.network.model import VideoModel
from engine.video.options import AdaptOptions, GenerateOptions

STEPS = GenerateOptions(steps=2, seed=3)
GAPS = [(17 / 30, 47 / 30)]


@pytest.fixture
def views(context: Tensor) -> dict[str, Video]:
    times = tuple(i / 30 for i in range(18))
    return {name: Video(times, frames) for name, frames in zip(("front", "left"), context, strict=True)}


@pytest.fixture
def true(views: dict[str, Video]) -> Video:
    front = views["front"]
    return Video((*front.times, GAPS[0][1]), torch.cat([front.frames, front.frames[:1]]))


@pytest.fixture
def native(new_model: Callable[[], VideoModel]) -> Native:
    quick = AdaptSettings(steps=1, batch=1, accumulate=1, strides=(1,), held_out=0.0)
    cpu = torch.device("cpu")
    return Native("small", 32, 48, {"name": "random"}, new_model, cpu, "auto", quick, rate=5.0)


@pytest.mark.parametrize("mode", ["auto", "lora"])
def test_adapter_made_now_and_read_again_generates_the_same(
    native: Native, views: dict[str, Video], true: Video, tmp_path: Path, mode: str
) -> None:
    out = tmp_path / "adapter.safetensors"
    adapter = native.adapt(views, "a fox", AdaptOptions(mode), out=out, progress=Progress())  # type: ignore[arg-type]
    assert adapter == out
    first = native.generate(true, GAPS, "a fox", STEPS, adapter=adapter, progress=Progress())
    plain = native.generate(true, GAPS, "a fox", STEPS, progress=Progress())
    again = native.generate(true, GAPS, "a fox", STEPS, adapter=adapter, progress=Progress())
    assert torch.equal(first.frames, again.frames)
    assert not torch.equal(first.frames, plain.frames)
    inside = [t for t in first.times if GAPS[0][0] <= t <= GAPS[0][1]]
    assert (inside[0], inside[-1]) == GAPS[0]
    assert max(b - a for a, b in pairwise(inside)) <= 1 / native.rate


def test_nothing_is_adapted_when_it_is_off(native: Native, views: dict[str, Video], tmp_path: Path) -> None:
    out = tmp_path / "adapter.safetensors"
    assert native.adapt(views, "", AdaptOptions("off"), out=out, progress=Progress()) is None
    assert not out.exists()


def test_adapter_of_another_kind_is_refused(native: Native, true: Video, tmp_path: Path) -> None:
    with pytest.raises(ResourceMissing, match="adapter"):
        native.generate(true, GAPS, "", STEPS, adapter=tmp_path / "adapter.safetensors", progress=Progress())


def test_longest_stretch_leaves_out_the_keys() -> None:
    frames = torch.arange(8.0)[:, None, None, None].expand(8, 3, 1, 1)
    times = (0.0, 0.5, 0.6, 0.7, 0.8, 1.5, 1.6, 1.7)
    stretch, rate = longest_stretch({"front": Video(times, frames), "left": Video(times, frames)})
    assert stretch[0, :, 0, 0, 0].tolist() == [1, 2, 3, 4]
    assert stretch.shape[0] == 2
    assert rate == pytest.approx(10)
    with pytest.raises(DataError, match="same times"):
        longest_stretch({"front": Video(times, frames), "left": Video(times[:4], frames[:4])})


def test_strides_keep_the_rates_of_the_paper() -> None:
    assert [strides_for(rate) for rate in (24, 30, 60, 120)] == [(1, 2, 3), (1, 2, 3), (2, 4, 6), (4, 8, 12)]


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("ANYMOLE_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    return tmp_path / "models"


def test_missing_weights_are_named_with_the_way_to_them(no_gpu: Path) -> None:
    with pytest.raises(ResourceMissing, match="models pull dynamicrafter") as caught:
        backend("dynamicrafter")
    assert exit_code(caught.value) == ExitCode.RETRYABLE
    message = str(caught.value)
    assert str(no_gpu) in message
    assert "engine motion" in message
    assert "model tiny" in message
    (no_gpu / "dynamicrafter").mkdir(parents=True)
    (no_gpu / "dynamicrafter" / "model.ckpt").touch()
    with pytest.raises(ResourceMissing, match="models convert dynamicrafter"):
        backend("dynamicrafter")


def test_converted_model_is_found_and_works(
    no_gpu: Path, new_model: Callable[[], VideoModel], true: Video
) -> None:
    folder, model = no_gpu / "dynamicrafter", new_model()
    for part in PREFIXES:
        save_tensors(folder / f"{part}.safetensors", getattr(model, part).state_dict(), {})
    hashes = {part: content_hash(folder / f"{part}.safetensors") for part in PREFIXES}
    description = {"shape": model.shape.to_dict(), "parts": hashes, "source": {"name": "model.ckpt"}}
    (folder / "model.json").write_text(json.dumps(description))
    with pytest.raises(ResourceMissing, match="CUDA sees none"):
        backend("dynamicrafter")
    found = backend("dynamicrafter", device="cpu")
    assert (found.height, found.width, found.rate, found.group) == (320, 512, 15, 1)
    assert found.source == {"name": "model.ckpt", "parts": hashes}
    one = GenerateOptions(steps=1)
    video = found.generate(true, [(16 / 30, 17 / 30)], "", one, progress=Progress())
    assert torch.isfinite(video.frames).all()
    vae = folder / "vae.safetensors"
    vae.write_bytes(vae.read_bytes()[:-4])
    with pytest.raises(DataError, match="should have"):
        backend("dynamicrafter", device="cpu").generate(true, GAPS, "", one, progress=Progress())
    vae.unlink()
    with pytest.raises(ResourceMissing, match=r"vae\.safetensors is not there"):
        backend("dynamicrafter", device="cpu")


def test_missing_or_small_gpu_is_named(no_gpu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model_card = card("dynamicrafter")
    with pytest.raises(ResourceMissing, match="CUDA sees none"):
        pick_device(model_card, "auto")
    assert pick_device(model_card, "cpu").type == "cpu"
    with pytest.raises(ConfigError, match="device"):
        pick_device(model_card, "warp")

    class Small:
        name, total_memory = "Small GPU", 4 << 30

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: Small)
    with pytest.raises(ResourceMissing, match=r"needs a GPU with 8 GB and Small GPU has 4\.3 GB"):
        pick_device(model_card, "auto")


def test_precision_follows_device_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert (precision(cpu, "low"), precision(cuda, "high")) == (torch.float32, torch.float32)
    assert precision(cuda, "low") == torch.float16


@pytest.mark.parametrize(
    ("size_gb", "kind", "memory"),
    [(8, "lora", "low"), (16, "lora", "low"), (24, "full", "low"), (48, "full", "auto")],
)
def test_auto_spares_memory_where_the_gpu_is_small(
    native: Native, monkeypatch: pytest.MonkeyPatch, size_gb: float, kind: str, memory: str
) -> None:
    monkeypatch.setattr("engine.video.backends.dynamicrafter.device_gb", lambda _: size_gb)
    chosen = native._adapt_settings(AdaptOptions(), 30)
    assert (chosen.kind, chosen.memory) == (kind, memory)
    assert native._adapt_settings(AdaptOptions("full"), 30).kind == "full"
    assert replace(native, memory="high")._adapt_settings(AdaptOptions(), 30).memory == "high"


def test_memory_that_runs_out_while_loading_says_what_to_change(
    native: Native, true: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("engine.video.backends.dynamicrafter.place_model", exhausted)
    with pytest.raises(OutOfMemory, match="memory low") as caught:
        native.generate(true, GAPS, "", STEPS, progress=Progress())
    assert exit_code(caught.value) == ExitCode.OUT_OF_MEMORY


def test_tiny_runs_on_any_machine_with_its_own_settings(no_gpu: Path) -> None:
    model = backend("tiny")
    assert isinstance(model, Native)
    assert model.source["name"] == "tiny"
    assert model.usual_sampler.guidance == 1
    times = tuple(i / 30 for i in range(30))
    frames = torch.full((31, 3, model.height, model.width), 0.5)
    video = model.generate(Video((*times, 1.3), frames), [(29 / 30, 1.3)], "", STEPS, progress=Progress())
    assert torch.isfinite(video.frames).all()
    assert torch.equal(video.frames[-1], frames[-1])


def test_unknown_models_are_refused() -> None:
    with pytest.raises(ConfigError, match="choose"):
        backend("sora")
