"""Tiny random Wan-VACE and LTX pipelines from end to end on the processor."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.errors import (
    ConfigError,
    DataError,
    ExitCode,
    OutOfMemory,
    ResourceMissing,
    RunCancelled,
    exit_code,
)
from engine.files.video import Video
from engine.progress import Progress
from engine.video.backends import backend, wan_vace
from engine.video.backends.calls import plan_calls
from engine.video.backends.flow import FlowBackend
from engine.video.backends.flow_lora import chosen_layers
from engine.video.backends.ltx import conditions
from engine.video.backends.wan_vace import GROUP, _closed, group_masks, held_latents
from engine.video.options import AdaptOptions, GenerateOptions
from tests.engine.video.pipelines import save_ltx, save_wan_vace

QUICK = GenerateOptions(steps=2, guidance=2.0, seed=5)
GAPS = [(0.6, 0.8)]
NAMES = ("wan-vace", "ltx")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_wan_vace(folder / "wan-vace")
    save_ltx(folder / "ltx")
    return folder


@pytest.fixture
def load(store: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], FlowBackend]:
    monkeypatch.setenv("ANYMOLE_MODELS", str(store))

    def load(name: str) -> FlowBackend:
        found = backend(name, device="cpu")
        assert isinstance(found, FlowBackend)
        return replace(found, height=32, width=32)

    return load


@pytest.fixture
def true(context: Tensor) -> Video:
    """A context of 0.6 s at 30 frames/s and a key 0.2 s after its end."""
    times = tuple(i / 30 for i in range(18))
    frames = context[0, :, :, :, :32]
    return Video((*times, *GAPS[0]), torch.cat([frames, frames[:1], frames[9:10]]))


@pytest.mark.parametrize("name", NAMES)
def test_pipeline_fills_a_gap_and_true_frames_come_back(
    load: Callable[[str], FlowBackend], true: Video, name: str
) -> None:
    model = load(name)
    video = model.generate(true, GAPS, "a fox runs", QUICK, progress=Progress())
    assert (video.times[0], video.times[-1]) == GAPS[0]
    assert torch.equal(video.frames[0], true.frames[-2])
    assert torch.equal(video.frames[-1], true.frames[-1])
    assert torch.isfinite(video.frames).all()
    assert video.frames.std() > 0
    again = model.generate(true, GAPS, "a fox runs", QUICK, progress=Progress())
    assert torch.equal(video.frames, again.frames)
    other = model.generate(true, GAPS, "a fox runs", replace(QUICK, seed=6), progress=Progress())
    assert not torch.equal(video.frames, other.frames)


def last_latents(model: FlowBackend, true: Video, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Tensor]:
    """The pipeline and the latents it decodes."""
    pipe = model._pipe(None)
    seen: list[Tensor] = []
    decode = pipe.vae.decode

    def spy(latents: Tensor, *arguments: Any, **options: Any) -> Any:
        seen.append(latents)
        return decode(latents, *arguments, **options)

    monkeypatch.setattr(pipe.vae, "decode", spy)
    monkeypatch.setattr("engine.video.backends.ltx.DECODE_NOISE", 0.0)
    model.generate(true, GAPS, "a fox", QUICK, progress=Progress())
    return pipe, seen[-1]


def test_wan_decodes_the_known_latents_as_they_were(
    load: Callable[[str], FlowBackend], true: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load("wan-vace")
    pipe, decoded = last_latents(model, true, monkeypatch)
    (call,) = plan_calls(GAPS, true.times, model.rules)
    images = dict(zip(true.times, true.frames, strict=True))
    frames = torch.stack(
        [torch.full((3, 32, 32), 0.5) if p.source is None else images[p.source] for p in call.places]
    )
    clean = model.latents(pipe, _closed(call, frames))  # type: ignore[attr-defined]
    std, mean = (
        torch.tensor(pipe.vae.config[k]).reshape(1, -1, 1, 1, 1) for k in ("latents_std", "latents_mean")
    )
    held = held_latents(call)
    assert held.tolist() == [*[True] * 5, False, True]
    torch.testing.assert_close(decoded[:, :, held], (clean * std + mean)[:, :, held], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(decoded[:, :, ~held], (clean * std + mean)[:, :, ~held])


def test_ltx_decodes_the_latents_of_the_context_as_they_were(
    load: Callable[[str], FlowBackend], true: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load("ltx")
    pipe = model._pipe(None)
    for name in ("sample", "mode"):  # the pipeline draws from the autoencoder's Gaussian; take the mean here
        kind = type(pipe.vae.encode(torch.zeros(1, 3, 1, 32, 32)).latent_dist)
        monkeypatch.setattr(kind, name, lambda self, *_: self.mean)
    _, decoded = last_latents(model, true, monkeypatch)
    (call,) = plan_calls(GAPS, true.times, model.rules)
    images = dict(zip(true.times, true.frames, strict=True))
    context = torch.stack([images[p.source] for p in call.places[: call.prefix] if p.source is not None])
    latents = model.latents(pipe, context)  # type: ignore[attr-defined]
    assert latents.shape[2] == 2
    clean = pipe._denormalize_latents(latents, pipe.vae.latents_mean, pipe.vae.latents_std)
    torch.testing.assert_close(decoded[:, :, :2], clean, atol=1e-5, rtol=1e-5)


def test_mask_of_a_group_is_to_generate_where_any_frame_is() -> None:
    mask = torch.ones(1, 3, 33, 16, 16)
    mask[:, :, 0] = mask[:, :, 29:] = mask[:, :, 5:7] = 0
    latents = group_masks(mask, GROUP, 8)
    assert latents.shape == (1, 64, 9, 2, 2)
    assert latents.amax((0, 1, 3, 4)).tolist() == [0, 1, 1, 1, 1, 1, 1, 1, 0]
    assert latents.amin((0, 1, 3, 4)).tolist() == [0, 1, 1, 1, 1, 1, 1, 1, 0]


def test_mask_within_pictures_is_laid_out_as_in_diffusers(load: Callable[[str], FlowBackend]) -> None:
    pipe = load("wan-vace")._pipe(None)
    plain = wan_vace.WanVACEPipeline.prepare_masks
    picture = (torch.rand(32, 32, generator=torch.Generator().manual_seed(1)) > 0.5).float()
    mask = picture.expand(1, 3, 9, 32, 32)
    assert torch.equal(pipe.prepare_masks(mask, [[]]), plain(pipe, mask, [[]]))
    mask = torch.ones(1, 3, 33, 32, 32)
    mask[:, :, 0] = mask[:, :, -4:] = 0
    assert plain(pipe, mask, [[]]).amin((0, 1, 3, 4))[0] == 1  # the trap: frame 0 is known and read as free
    assert pipe.prepare_masks(mask, [[]]).amax((0, 1, 3, 4)).tolist() == [0, 1, 1, 1, 1, 1, 1, 1, 0]


def test_ltx_adds_no_noise_to_what_is_known(
    load: Callable[[str], FlowBackend], true: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load("ltx")
    pipe = model._pipe(None)

    def refuse(*_: Any) -> None:
        raise AssertionError("noise was added to a known frame")

    monkeypatch.setattr(pipe, "add_noise_to_image_conditioning_latents", refuse)
    model.generate(true, GAPS, "", QUICK, progress=Progress())


def test_ltx_is_given_the_context_as_a_clip_and_keys_alone(true: Video) -> None:
    (call,) = plan_calls(GAPS, true.times, backend_rules())
    first, key = conditions(call, torch.zeros(len(call.places), 3, 32, 32))
    assert (first.frame_index, len(first.video[0]) % 8) == (0, 1)
    assert key.frame_index == call.prefix - 1 + 3


def backend_rules() -> Any:
    from engine.video.backends.ltx import RULES

    return RULES


@pytest.mark.parametrize("name", NAMES)
def test_stopped_generation_goes_on_to_the_same_video(
    load: Callable[[str], FlowBackend], true: Video, name: str, tmp_path: Path
) -> None:
    gaps = [GAPS[0], (0.8, 1.0)]
    true = Video((*true.times, 1.0), torch.cat([true.frames, true.frames[:1]]))
    model = load(name)
    model.rules = replace(model.rules, most=1)  # one call for each gap
    whole = model.generate(true, gaps, "a fox", QUICK, progress=Progress())
    left = iter(range(3))
    stop = Progress(cancel=lambda: next(left, None) is None)
    with pytest.raises(RunCancelled):
        model.generate(true, gaps, "a fox", QUICK, progress=stop, checkpoint_dir=tmp_path)
    steps = iter(range(2))
    go_on = Progress(cancel=lambda: next(steps, None) is None)  # as many as are left, and no more
    resumed = model.generate(true, gaps, "a fox", QUICK, progress=go_on, checkpoint_dir=tmp_path)
    assert torch.equal(whole.frames, resumed.frames)


@pytest.fixture
def views(context: Tensor) -> dict[str, Video]:
    frames = context[:, torch.arange(36) % 18, :, :, :32]
    times = tuple(i / 30 for i in range(36))
    return {name: Video(times, f) for name, f in zip(("front", "left"), frames, strict=True)}


@pytest.mark.parametrize("name", NAMES)
def test_low_rank_pairs_learn_stop_go_on_and_are_used(
    load: Callable[[str], FlowBackend], views: dict[str, Video], true: Video, name: str, tmp_path: Path
) -> None:
    model = load(name)
    options = AdaptOptions("lora", steps=4, seed=2)

    def adapt(out: str, progress: Progress, folder: Path | None = None) -> Path:
        made = model.adapt(
            views, "a fox", options, out=tmp_path / out, progress=progress, checkpoint_dir=folder
        )
        assert made is not None
        return made

    whole = adapt("whole.safetensors", Progress())
    left = iter(range(2))
    with pytest.raises(RunCancelled):
        adapt("part.safetensors", Progress(cancel=lambda: next(left, None) is None), tmp_path / "state")
    resumed = adapt("resumed.safetensors", Progress(), tmp_path / "state")
    assert resumed.read_bytes() == whole.read_bytes()
    plain = model.generate(true, GAPS, "a fox", QUICK, progress=Progress())
    adapted = model.generate(true, GAPS, "a fox", QUICK, adapter=whole, progress=Progress())
    assert not torch.equal(plain.frames, adapted.frames)


@pytest.mark.parametrize("name", NAMES)
def test_single_frames_teach_the_look_and_clips_the_injection(
    load: Callable[[str], FlowBackend], views: dict[str, Video], name: str, tmp_path: Path
) -> None:
    from engine.files.tensors import load_tensors

    model = load(name)
    out = tmp_path / "adapter.safetensors"
    model.adapt(views, "", AdaptOptions("auto", steps=1), out=out, progress=Progress())
    learnt = {
        k.removesuffix(".lora_up") for k, v in load_tensors(out).items() if k.endswith(".lora_up") and v.any()
    }
    transformer = model._pipe(None).transformer
    assert learnt
    assert all(re.fullmatch(model.appearance, layer) for layer in learnt)
    injection = chosen_layers(transformer, [model.injection])
    assert injection.keys().isdisjoint(chosen_layers(transformer, [model.appearance]))
    wanted = 10 * 2 if name == "wan-vace" else 4 * 2 + 1
    assert len(injection) == wanted


@pytest.mark.parametrize("name", NAMES)
def test_loss_falls_on_frames_that_were_not_trained_on(
    load: Callable[[str], FlowBackend],
    views: dict[str, Video],
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from engine.files.tensors import load_meta
    from engine.video.backends import flow_lora

    model = load(name)
    quick = partial(flow_lora.FlowSettings, learning_rate=0.02)
    monkeypatch.setattr("engine.video.backends.flow.FlowSettings", quick)
    out = tmp_path / "adapter.safetensors"
    model.adapt(views, "", AdaptOptions("lora", steps=12), out=out, progress=Progress())
    (_, before), (_, after) = load_meta(out)["held_out"]
    assert after < before


def test_full_adaptation_is_for_models_with_layers_of_motion(
    load: Callable[[str], FlowBackend], views: dict[str, Video], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="adapt lora"):
        load("ltx").adapt(
            views, "", AdaptOptions("full"), out=tmp_path / "a.safetensors", progress=Progress()
        )


def test_short_context_wrong_size_and_foreign_adapters_are_refused(
    load: Callable[[str], FlowBackend], views: dict[str, Video], true: Video, tmp_path: Path
) -> None:
    short = {name: Video(v.times[:20], v.frames[:20]) for name, v in views.items()}
    out = tmp_path / "a.safetensors"
    with pytest.raises(DataError, match="33 or more"):
        load("ltx").adapt(short, "", AdaptOptions("lora"), out=out, progress=Progress())
    with pytest.raises(ConfigError, match="takes images of 32 x 32"):
        load("ltx").generate(Video(true.times, true.frames[..., :16]), GAPS, "", QUICK, progress=Progress())
    load("wan-vace").adapt(views, "", AdaptOptions("lora", steps=1), out=out, progress=Progress())
    with pytest.raises(DataError, match="another network"):
        load("ltx").generate(true, GAPS, "", QUICK, adapter=out, progress=Progress())


def test_missing_and_damaged_pipelines_are_refused_clearly(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, true: Video
) -> None:
    import shutil

    monkeypatch.setenv("ANYMOLE_MODELS", str(tmp_path))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    with pytest.raises(ResourceMissing, match="models pull ltx"):
        backend("ltx", device="cpu")
    shutil.copytree(store / "ltx", tmp_path / "ltx")
    weights = tmp_path / "ltx" / "vae" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(DataError, match="should have"):
        replace(backend("ltx", device="cpu"), height=32, width=32).generate(  # type: ignore[type-var]
            true, GAPS, "", QUICK, progress=Progress()
        )
    weights.unlink()
    with pytest.raises(ResourceMissing, match=r"vae/diffusion_pytorch_model\.safetensors"):
        backend("ltx", device="cpu")


@pytest.mark.parametrize("what", ["generate", "adapt"])
def test_memory_that_runs_out_says_what_to_change(
    load: Callable[[str], FlowBackend],
    views: dict[str, Video],
    true: Video,
    tmp_path: Path,
    what: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = load("ltx")

    def exhausted(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(model._pipe(None).transformer, "forward", exhausted)
    work = {
        "generate": lambda: model.generate(true, GAPS, "", QUICK, progress=Progress()),
        "adapt": lambda: model.adapt(
            views, "", AdaptOptions("lora"), out=tmp_path / "a", progress=Progress()
        ),
    }
    with pytest.raises(OutOfMemory, match="memory low") as caught:
        work[what]()
    assert exit_code(caught.value) == ExitCode.OUT_OF_MEMORY
