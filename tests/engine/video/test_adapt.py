"""ICAdapt on a tiny random network."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.errors import ConfigError, DataError, OutOfMemory, RunCancelled
from engine.progress import Progress
from engine.video.adaptation import adapt as module
from engine.video.adaptation.adapt import adapt
from engine.video.adaptation.adapter import Adapter, apply_adapter, load_adapter, save_adapter
from engine.video.adaptation.clips import all_clips, split_clips
from engine.video.adaptation.context_cache import encode_context
from engine.video.adaptation.loss import clip_condition, draw
from engine.video.adaptation.settings import AdaptSettings
from engine.video.adaptation.trainable import PARTS, trained_parameters
from engine.video.network.model import VideoModel, place_model

QUICK = AdaptSettings(steps=3, batch=2, accumulate=1, strides=(1,), learning_rate=1e-3, held_out=0.2)
NewModel = Callable[[], VideoModel]


def run(model: VideoModel, context: Tensor, settings: AdaptSettings = QUICK, **options: object) -> Adapter:
    progress = options.pop("progress", Progress())
    return adapt(model, context, 30.0, "a wave", settings, progress=progress, **options)  # type: ignore[arg-type]


def parameters(model: VideoModel) -> dict[str, Tensor]:
    parts = (*PARTS, "vae", "text", "image")
    return {f"{p}.{k}": v.clone() for p in parts for k, v in getattr(model, p).named_parameters()}


def predict(model: VideoModel) -> Tensor:
    shape = model.shape.unet
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(1, 8, 16, 4, 6, generator=generator)
    context = torch.randn(1, 77 + 256, shape.context_channels, generator=generator)
    with torch.no_grad():
        return model.unet(x, torch.tensor([500]), context, torch.tensor([10.0]))


@pytest.fixture(scope="module")
def trained(new_model: NewModel, context: Tensor) -> dict[str, tuple[VideoModel, Adapter]]:
    """A model that was adapted by each kind, and what was learnt, for all to look at."""
    torch.set_num_threads(1)
    models = {kind: new_model() for kind in ("full", "lora")}
    return {kind: (model, run(model, context, kept_often(kind))) for kind, model in models.items()}


def kept_often(kind: str) -> AdaptSettings:
    return replace(QUICK, kind=kind, save_every=1)


def test_exactly_the_allowed_parameters_change(
    model: VideoModel, trained: dict[str, tuple[VideoModel, Adapter]]
) -> None:
    before = parameters(model)
    allowed = {name for name, _ in trained_parameters(model)}
    adapted, _ = trained["full"]
    changed = {name for name, value in parameters(adapted).items() if not torch.equal(value, before[name])}
    assert changed == allowed
    assert not any(p.requires_grad for part in PARTS for p in getattr(adapted, part).parameters())


@pytest.mark.parametrize(("kind", "rate"), [("full", 3e-3), ("lora", 3e-2)])
def test_held_out_loss_falls(model: VideoModel, context: Tensor, kind: str, rate: float) -> None:
    settings = replace(QUICK, kind=kind, steps=14, learning_rate=rate)
    adapter = run(model, context, settings)
    (first, before), (last, after) = adapter.provenance["held_out"]
    assert (first, last) == (0, 14)
    assert after < 0.9 * before
    assert len(adapter.provenance["losses"]) == 14


@pytest.mark.parametrize("kind", ["full", "lora"])
def test_adapter_reloads_to_the_same_outputs(
    new_model: NewModel, trained: dict[str, tuple[VideoModel, Adapter]], tmp_path: Path, kind: str
) -> None:
    (adapted, adapter), fresh = trained[kind], new_model()
    untouched = predict(fresh)
    save_adapter(tmp_path / "fox.safetensors", adapter)
    loaded = load_adapter(tmp_path / "fox.safetensors")
    apply_adapter(fresh, loaded)
    assert torch.equal(predict(fresh), predict(adapted))
    assert not torch.equal(predict(fresh), untouched)
    assert fresh.source == adapted.source
    assert loaded.provenance["prompt"] == "a wave"
    assert loaded.provenance["settings"]["steps"] == 3


def test_low_rank_pairs_act_while_they_are_trained_as_when_merged(model: VideoModel) -> None:
    from engine.video.adaptation.lora import UP, Lora, merge_lora
    from engine.video.adaptation.trainable import trained_matrices

    layers = dict(trained_matrices(model))
    lora = Lora(layers, rank=4, seed=1)
    with torch.no_grad():
        for name, value in lora.tensors.items():
            if name.endswith(UP):
                value.normal_(std=0.05, generator=torch.Generator().manual_seed(1))
    attached = predict(model)
    lora.detach()
    merge_lora(layers, {name: value.detach() for name, value in lora.tensors.items()})
    torch.testing.assert_close(predict(model), attached, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ["full", "lora"])
def test_a_stopped_run_goes_on_to_the_same_result(
    new_model: NewModel,
    context: Tensor,
    trained: dict[str, tuple[VideoModel, Adapter]],
    tmp_path: Path,
    kind: str,
) -> None:
    settings, (_, whole) = kept_often(kind), trained[kind]
    checks = iter([False] * 10 + [True])  # 8 for 2 views and 6 first frames; then in the third step
    with pytest.raises(RunCancelled):
        run(
            new_model(),
            context,
            settings,
            progress=Progress(cancel=lambda: next(checks)),
            checkpoint_dir=tmp_path,
        )
    resumed = run(new_model(), context, settings, checkpoint_dir=tmp_path)
    assert resumed.provenance == whole.provenance
    assert all(torch.equal(value, resumed.tensors[name]) for name, value in whole.tensors.items())


def test_checkpoint_of_other_work_is_not_taken_up(
    new_model: NewModel, context: Tensor, tmp_path: Path
) -> None:
    run(new_model(), context, replace(QUICK, steps=2, save_every=1), checkpoint_dir=tmp_path)
    other = replace(QUICK, steps=2, seed=9)
    resumed = run(new_model(), context, other, checkpoint_dir=tmp_path)
    assert resumed.provenance["losses"] == run(new_model(), context, other).provenance["losses"]


def test_memory_modes_and_half_precision_give_the_same_loss(new_model: NewModel, context: Tensor) -> None:
    one = replace(QUICK, steps=1, held_out=0.0, drop=0.0)
    plain = run(new_model(), context, replace(one, memory="high")).provenance["losses"]
    assert run(new_model(), context, one).provenance["losses"] == plain
    for precision in ("bf16", "fp16"):
        half = run(new_model(), context, replace(one, memory="low", precision=precision))
        assert half.provenance["losses"] == pytest.approx(plain, rel=0.1)
        assert all(value.dtype == torch.float32 for value in half.tensors.values())


@pytest.mark.parametrize("kind", ["full", "lora"])
def test_model_in_half_precision_is_adapted_and_stays_so(
    model: VideoModel, context: Tensor, kind: str
) -> None:
    place_model(model, "cpu", torch.bfloat16)
    settings = replace(QUICK, kind=kind, steps=1, held_out=0.0, memory="low", precision="bf16")
    before = parameters(model)
    adapter = run(model, context, settings)
    assert {p.dtype for part in PARTS for p in getattr(model, part).parameters()} == {torch.bfloat16}
    assert all(value.dtype == torch.float32 for value in adapter.tensors.values())
    allowed = {name for name, _ in trained_parameters(model)}
    assert {n for n, v in parameters(model).items() if not torch.equal(v, before[n])} <= allowed


def test_accumulated_batches_have_the_mean_gradient(new_model: NewModel, context: Tensor) -> None:
    """Four clips at once or one by one: the same loss, but for dropout, which is taken out here."""
    losses = []
    for batch, accumulate in ((4, 1), (1, 4)):
        model = new_model()
        for layer in model.unet.modules():
            if isinstance(layer, torch.nn.Dropout):
                layer.p = 0.0
        settings = replace(QUICK, steps=1, batch=batch, accumulate=accumulate)
        losses.append(run(model, context, settings).provenance["losses"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_training_stops_when_the_held_out_loss_stalls(model: VideoModel, context: Tensor) -> None:
    settings = replace(QUICK, steps=20, learning_rate=1e-12, evaluate_every=1, patience=2)
    assert len(run(model, context, settings).provenance["losses"]) < 20


def test_adapter_of_another_network_is_refused(model: VideoModel) -> None:
    with pytest.raises(DataError, match="another network"):
        apply_adapter(model, Adapter("full", {"unet.conv_in.weight": torch.zeros(1)}, {}))


def test_too_short_context_and_impossible_settings_are_refused(model: VideoModel, context: Tensor) -> None:
    with pytest.raises(DataError, match="15 frames; adaptation needs 16"):
        run(model, context[:, :15])
    with pytest.raises(ConfigError, match="steps must be 1 or more; strides"):
        AdaptSettings(steps=0, strides=(0,))


def test_exhausted_memory_says_what_to_make_smaller(
    model: VideoModel, context: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(module, "clip_loss", exhausted)
    with pytest.raises(OutOfMemory, match="adapt lora"):
        run(model, context)
    assert not model.unet.training


def test_the_paper_has_372_clips() -> None:
    clips = all_clips(4, 61, (1, 2, 3))
    assert len(clips) == 4 * (46 + 31 + 16)
    assert max(max(clip.frames) for clip in clips) == 60
    train, held_out = split_clips(clips, 0.02)
    assert (len(train), len(held_out)) == (364, 8)
    assert split_clips(clips, 0.0) == (clips, ())


def test_conditions_are_lost_one_by_one_and_together(model: VideoModel, context: Tensor) -> None:
    clips = all_clips(2, 18, (1,))[:4]
    cache = encode_context(model, context, 30.0, "a wave", clips, progress=Progress())
    latents = torch.zeros(4, 4, 16, 4, 6)
    draws = torch.tensor([0.01, 0.07, 0.12, 0.2])
    lost, given = (clip_condition(model, cache, clips, latents, draws, drop).context for drop in (0.05, 0.0))
    assert not torch.equal(cache.text, cache.empty.text)
    changed = ~torch.isclose(lost, given).all(-1)
    assert changed[:, :77].any(1).tolist() == [True, True, False, False]
    assert changed[:, 77:].any(1).tolist() == [False, True, True, False]


def test_held_out_clips_are_measured_at_all_noise_levels() -> None:
    measured = draw((8, 4, 1, 1, 1), 3, spread=True)
    assert (measured.drop >= 1).all()
    assert measured.timestep.tolist() == [62, 187, 312, 437, 562, 687, 812, 937]
