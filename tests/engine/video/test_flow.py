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
from engine.video.backends import backend, finished, ltx2, wan_vace
from engine.video.backends.calls import plan_calls
from engine.video.backends.flow import FlowBackend, denoisers, prefixed
from engine.video.backends.flow_lora import chosen_layers
from engine.video.backends.ltx import conditions
from engine.video.backends.wan_vace import GROUP, _closed, group_masks, held_latents
from engine.video.network.sample import combine_seeds
from engine.video.options import AdaptOptions, GenerateOptions
from tests.engine.video.pipelines import GAPS, save_ltx, save_ltx2, save_wan_vace

QUICK = GenerateOptions(steps=2, guidance=2.0, seed=5)
NAMES = ("wan-vace", "wan22-vace-fun", "ltx", "ltx2")
BOUNDARY = 0.875


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_wan_vace(folder / "wan-vace")
    save_wan_vace(folder / "wan-vace-14b")
    save_wan_vace(folder / "wan22-vace-fun", BOUNDARY)
    save_ltx(folder / "ltx")
    save_ltx2(folder / "ltx2")
    return folder


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


def test_ltx2_is_given_keys_where_a_group_begins_and_keeps_what_is_known_in_every_step(
    load: Callable[[str], FlowBackend], true: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load("ltx2")
    (call,) = plan_calls(GAPS, true.times, model.rules)
    pictures = torch.arange(len(call.places)).reshape(-1, 1, 1, 1).expand(-1, 3, 32, 32) / 255
    first, key = ltx2.conditions(call, pictures)
    assert (first.index, len(first.frames) % 8, first.crf) == (0, 1, 0)
    assert float(key.frames[0, 0, 0, 0]) == pytest.approx(8 * (key.index - 1) + 1)
    assert call.held[8 * (key.index - 1) + 1]
    pipe = model._pipe(None)
    seen: list[Tensor] = []
    step = type(pipe.scheduler).step

    def watched(self: Any, flow: Tensor, time: Tensor, latents: Tensor, **options: Any) -> Any:
        made = step(self, flow, time, latents, **options)
        if self is pipe.scheduler:  # sound has a copy of it
            seen.extend([latents, made[0]])
        return made

    monkeypatch.setattr(type(pipe.scheduler), "step", watched)
    model.generate(true, GAPS, "", QUICK, progress=Progress())
    assert len(seen) == 2 * QUICK.steps
    known, key_tokens = (call.prefix - 1) // 8 + 1, 1
    for latents in seen[1:]:
        assert torch.equal(latents[:, :known], seen[0][:, :known])
        assert torch.equal(latents[:, -key_tokens:], seen[0][:, -key_tokens:])
    assert not torch.equal(seen[-1][:, known:-key_tokens], seen[0][:, known:-key_tokens])


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
    networks = denoisers(model._pipe(None))
    assert learnt
    assert all(re.fullmatch(prefixed(model.appearance), layer) for layer in learnt)
    injection = chosen_layers(networks, [prefixed(model.injection)])
    assert injection.keys().isdisjoint(chosen_layers(networks, [prefixed(model.appearance)]))
    wanted = {"wan-vace": 10 * 2, "wan22-vace-fun": 2 * 10 * 2, "ltx": 4 * 2 + 1, "ltx2": 4 * 2 + 1}[name]
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


def grey_control(model: FlowBackend, true: Video, level: float = 0.9) -> Video:
    times = model.free_times(GAPS, true.times)
    return Video(times, torch.full((len(times), 3, 32, 32), level))


def test_known_frames_are_held_to_the_bit_at_each_step_whatever_the_control(
    load: Callable[[str], FlowBackend], true: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load("wan-vace")
    pipe = model._pipe(None)
    entered: list[Tensor] = []
    forward = pipe.transformer.forward

    def spy(hidden_states: Tensor, **arguments: Any) -> Any:
        entered.append(hidden_states.clone())
        return forward(hidden_states=hidden_states, **arguments)

    monkeypatch.setattr(pipe.transformer, "forward", spy)
    options = replace(QUICK, steps=4, guidance=1.0)
    (call,) = plan_calls(GAPS, true.times, model.rules)
    images = dict(zip(true.times, true.frames, strict=True))
    held = held_latents(call)
    seen = []
    for control in (None, grey_control(model, true)):
        entered.clear()
        model.generate(true, GAPS, "a fox", options, control=control, progress=Progress())
        frames = finished_fill(call, images, control)
        clean = model.latents(pipe, _closed(call, frames))  # type: ignore[attr-defined]
        noise = torch.randn(
            clean.shape, generator=torch.Generator().manual_seed(combine_seeds(combine_seeds(5, 0), 1))
        )
        assert len(entered) == 4
        for level, latents in zip(pipe.scheduler.sigmas[1:4], entered[1:], strict=True):
            wanted = (1 - float(level)) * clean + float(level) * noise
            assert torch.equal(latents[:, :, held], wanted[:, :, held])
        seen.append(entered[-1][:, :, ~held].clone())
    assert not torch.equal(*seen)


def finished_fill(call: Any, images: dict[float, Tensor], control: Video | None) -> Tensor:
    shown = {} if control is None else dict(zip(control.times, control.frames, strict=True))
    return finished.fill(call, images, shown, 1.0)


def test_control_is_given_where_the_mask_says_generate_and_nowhere_else(
    load: Callable[[str], FlowBackend], true: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The convention: 0 (black) keeps what is shown, 1 (white) is generated and what is shown there is control."""
    model = load("wan-vace")
    pipe = model._pipe(None)
    given: list[tuple[Tensor, Tensor]] = []
    prepare = pipe.prepare_video_latents

    def spy(video: Tensor, mask: Tensor, *arguments: Any) -> Any:
        given.append((video.clone(), mask.clone()))
        return prepare(video, mask, *arguments)

    monkeypatch.setattr(pipe, "prepare_video_latents", spy)
    model.generate(true, GAPS, "a fox", QUICK, control=grey_control(model, true), progress=Progress())
    model.generate(true, GAPS, "a fox", QUICK, progress=Progress())
    (call,) = plan_calls(GAPS, true.times, model.rules)
    free = ~torch.tensor(call.held)
    (shown, mask), (plain, same) = given
    assert torch.equal(mask, same)
    assert torch.equal(mask.amax((0, 1, 3, 4)) > 0.5, free)
    assert torch.equal(mask.amin((0, 1, 3, 4)) > 0.5, free)
    assert torch.equal(shown[:, :, ~free], plain[:, :, ~free])
    torch.testing.assert_close(shown[:, :, free], torch.full_like(shown[:, :, free], 0.8))  # of -1 to 1
    assert (plain[:, :, free].abs() < 1e-6).all()


def test_control_without_strength_is_none_at_all_and_its_scale_counts(
    load: Callable[[str], FlowBackend], true: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load("wan-vace")
    pipe = model._pipe(None)
    decode, seen = pipe.vae.decode, []

    def spy(latents: Tensor, *arguments: Any, **options: Any) -> Any:
        seen.append(latents)
        return decode(latents, *arguments, **options)

    monkeypatch.setattr(pipe.vae, "decode", spy)

    def make(control: Video | None, **options: float) -> Tensor:
        """Latents that are decoded: bytes of pictures hide small differences of a random network."""
        made = replace(QUICK, **options)  # type: ignore[arg-type]
        model.generate(true, GAPS, "a fox", made, control=control, progress=Progress())
        return seen[-1]

    plain, control = make(None), grey_control(model, true)
    assert torch.equal(make(control, control_strength=0.0), plain)
    strong, weak = make(control), make(control, control_strength=0.3)
    assert not torch.equal(strong, plain)
    assert not torch.equal(strong, weak)
    assert not torch.equal(make(None, control_scale=0.5), plain)


def test_control_that_does_not_fit_or_is_not_taken_is_refused(
    load: Callable[[str], FlowBackend], true: Video
) -> None:
    model = load("wan-vace")
    control = grey_control(model, true)
    short = Video(control.times[1:], control.frames[1:])
    with pytest.raises(DataError, match="the control lacks 1 frame, the first at"):
        model.generate(true, GAPS, "", QUICK, control=short, progress=Progress())
    narrow = Video(control.times, control.frames[..., :16])
    with pytest.raises(ConfigError, match="takes images of 32 x 32"):
        model.generate(true, GAPS, "", QUICK, control=narrow, progress=Progress())
    other = load("ltx")
    control = grey_control(other, true)
    with pytest.raises(ConfigError, match="ltx takes no control"):
        other.generate(true, GAPS, "", QUICK, control=control, progress=Progress())


def test_high_noise_is_for_the_first_network_and_low_noise_for_the_second(
    load: Callable[[str], FlowBackend], true: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load("wan22-vace-fun")
    pipe = model._pipe(None)
    asked: list[tuple[str, float]] = []
    for name in ("transformer", "transformer_2"):
        network = getattr(pipe, name)

        def spy(*, timestep: Tensor, forward: Any = network.forward, name: str = name, **rest: Any) -> Any:
            asked.append((name, float(timestep[0])))
            return forward(timestep=timestep, **rest)

        monkeypatch.setattr(network, "forward", spy)
    options = replace(QUICK, steps=12, guidance=1.0)
    model.generate(true, GAPS, "", options, control=grey_control(model, true), progress=Progress())
    assert len(asked) == 12
    assert {name for name, _ in asked} == {"transformer", "transformer_2"}
    assert all((name == "transformer") == (time >= BOUNDARY * 1000) for name, time in asked)
    assert [time for _, time in asked] == pipe.scheduler.timesteps.tolist()


def test_training_asks_the_network_that_denoises_at_the_level(load: Callable[[str], FlowBackend]) -> None:
    pipe = load("wan22-vace-fun")._pipe(None)
    assert wan_vace._network_at(pipe, 0.9) is pipe.transformer
    assert wan_vace._network_at(pipe, 0.5) is pipe.transformer_2
    single = load("wan-vace")._pipe(None)
    assert wan_vace._network_at(single, 0.5) is single.transformer


def test_the_large_model_is_the_small_one_with_other_weights(
    load: Callable[[str], FlowBackend], true: Video
) -> None:
    small, large = (
        load(name).generate(true, GAPS, "a fox", QUICK, progress=Progress())
        for name in ("wan-vace", "wan-vace-14b")
    )
    assert torch.equal(small.frames, large.frames)  # the test gives both the same ones
