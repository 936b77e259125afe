"""LoRAs of others on a tiny random Wan-VACE: names, hashes, sums with what was learnt; and weights of a byte each."""

import os
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UniPCMultistepScheduler
from safetensors.torch import save_file
from torch import Tensor

from engine.errors import ConfigError, DataError, ResourceMissing
from engine.files.video import Video
from engine.progress import Progress
from engine.settings.pinned_file import FEW_STEP_LORA, PinnedFile
from engine.video.adaptation.lora_stack import read_changes, require_pinned
from engine.video.backends import backend
from engine.video.backends.flow import FlowBackend, denoisers
from engine.video.backends.wan_vace import FEW_STEPS, WanVace
from engine.video.options import AdaptOptions, GenerateOptions
from tests.engine.video.pipelines import GAPS, save_wan_vace

RANK = 2
ALPHA = 1.0
OWN_NAMES = {
    "blocks.0.self_attn.q": "blocks.0.attn1.to_q",
    "blocks.0.self_attn.o": "blocks.0.attn1.to_out.0",
    "blocks.1.cross_attn.v": "blocks.1.attn2.to_v",
    "blocks.1.ffn.0": "blocks.1.ffn.net.0.proj",
    "blocks.1.ffn.2": "blocks.1.ffn.net.2",
}
"""Layers as Wan's repository calls them, and as diffusers does."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_wan_vace(folder / "wan-vace")
    save_wan_vace(folder / "wan22-vace-fun", 0.875)
    return folder


def random_lora(model: FlowBackend, seed: int = 1) -> dict[str, Tensor]:
    """Pairs, strengths and changes of biases for some layers, by the names of Wan's repository."""
    parameters = dict(denoisers(model._pipe(None)).named_parameters())
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for own, name in OWN_NAMES.items():
        network = "" if f"{name}.weight" in parameters else "transformer."
        rows, columns = parameters[f"{network}{name}.weight"].shape
        key = f"diffusion_model.{own}"
        tensors[f"{key}.lora_down.weight"] = torch.randn(RANK, columns, generator=generator)
        tensors[f"{key}.lora_up.weight"] = torch.randn(rows, RANK, generator=generator)
        tensors[f"{key}.alpha"] = torch.tensor(ALPHA)
        tensors[f"{key}.diff_b"] = torch.randn(rows, generator=generator)
    return tensors


def saved(tensors: dict[str, Tensor], path: Path) -> PinnedFile:
    save_file(tensors, path)
    return PinnedFile(path, sha256(path.read_bytes()).hexdigest())


def weights(pipe: Any) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in denoisers(pipe).named_parameters()}


def test_names_and_strengths_are_read_as_by_diffusers(
    load: Callable[[str], FlowBackend], tmp_path: Path
) -> None:
    from diffusers.loaders.lora_conversion_utils import _convert_non_diffusers_wan_lora_to_diffusers

    tensors = random_lora(load("wan-vace"))
    changes = read_changes(saved(tensors, tmp_path / "few.safetensors").path)
    theirs = _convert_non_diffusers_wan_lora_to_diffusers(dict(tensors))
    theirs = {name.removeprefix("transformer."): value for name, value in theirs.items()}
    layers = {name.split(".lora_")[0] for name in theirs}
    assert layers == set(OWN_NAMES.values())
    assert changes.keys() == {f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}
    for layer in layers:
        wanted = theirs[f"{layer}.lora_B.weight"] @ theirs[f"{layer}.lora_A.weight"]
        torch.testing.assert_close(changes[f"{layer}.weight"](), wanted)
        assert torch.equal(changes[f"{layer}.bias"](), theirs[f"{layer}.lora_B.bias"])
    peft = {f"transformer.{name}": value for name, value in theirs.items()}
    again = read_changes(saved(peft, tmp_path / "peft.safetensors").path)
    for name, change in changes.items():
        torch.testing.assert_close(again[name](), change())


@pytest.mark.parametrize("name", ["wan-vace", "wan22-vace-fun"])
def test_stack_is_the_base_and_both_changes(
    load: Callable[[str], FlowBackend], context: Tensor, name: str, tmp_path: Path
) -> None:
    model = load(name)
    frames = context[:, torch.arange(36) % 18, :, :, :32]
    views = {"front": Video(tuple(i / 30 for i in range(36)), frames[0])}
    adapter = tmp_path / "adapter.safetensors"
    model.adapt(views, "", AdaptOptions("lora", steps=4), out=adapter, progress=Progress())
    base = weights(model._pipe(None))
    few = saved(random_lora(model), tmp_path / "few.safetensors")
    learnt = weights(model._pipe(adapter))
    fast = weights(model._pipe(None, [few]))
    both = weights(model._pipe(adapter, [few]))
    again = weights(model._pipe(None))
    networks = ("",) if name == "wan-vace" else ("transformer.", "transformer_2.")
    changes = {f"{n}{k}": change() for n in networks for k, change in read_changes(few.path).items()}
    assert any(not torch.equal(base[k], learnt[k]) for k in changes)  # both change some layers
    for key, value in base.items():
        change = changes.get(key, torch.zeros_like(value))
        assert torch.equal(fast[key], value + change)
        assert torch.equal(both[key], learnt[key] + change)
        assert torch.equal(again[key], value)


def test_two_networks_take_a_lora_each(load: Callable[[str], FlowBackend], tmp_path: Path) -> None:
    model = load("wan22-vace-fun")
    base = weights(model._pipe(None))
    high, low = (saved(random_lora(model, seed), tmp_path / f"{seed}.safetensors") for seed in (1, 2))
    both = weights(model._pipe(None, [high, low]))
    for network, file in (("transformer.", high), ("transformer_2.", low)):
        for key, change in read_changes(file.path).items():
            assert torch.equal(both[network + key], base[network + key] + change())
    with pytest.raises(ConfigError, match="one network"):
        load("wan-vace")._pipe(None, [high, low])


def test_few_steps_are_eulers_at_the_distilled_levels() -> None:
    usual = UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=3.0
    )
    schedule = WanVace.few_step_schedule(None, usual)  # type: ignore[arg-type]
    schedule.set_timesteps(FEW_STEPS)
    level = torch.tensor([1, 0.75, 0.5, 0.25, 0])
    torch.testing.assert_close(schedule.sigmas, 5 * level / (1 + 4 * level), atol=1e-3, rtol=0)
    sample = torch.randn(1, 4, 3, generator=torch.Generator().manual_seed(1))
    for i, time in enumerate(schedule.timesteps):
        flow = torch.sin(sample)
        euler = sample + (schedule.sigmas[i + 1] - schedule.sigmas[i]) * flow
        sample = schedule.step(flow, time, sample).prev_sample
        torch.testing.assert_close(sample, euler)


def test_few_steps_without_guidance_make_the_video_and_keys_stay(
    load: Callable[[str], FlowBackend], true: Video, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load("wan-vace")
    few = saved(random_lora(model), tmp_path / "few.safetensors")
    steps: list[int] = []
    options = GenerateOptions(seed=5, few_step_lora=(few,))
    progress = Progress(on_event=lambda event: steps.append(getattr(event, "total", 0)))
    seen: list[float] = []
    pipe_of = model._pipe

    def spied(*given: Any) -> Any:
        pipe = pipe_of(*given)
        call = type(pipe).__call__

        def watched(self: Any, *args: Any, **named: Any) -> Any:
            seen.append(named["guidance_scale"])
            return call(self, *args, **named)

        monkeypatch.setattr(type(pipe), "__call__", watched)
        return pipe

    monkeypatch.setattr(model, "_pipe", spied)
    video = model.generate(true, GAPS, "", options, progress=progress)
    assert max(steps) == FEW_STEPS
    assert set(seen) == {1.0}
    assert torch.equal(video.frames[0], true.frames[-2])
    assert torch.equal(video.frames[-1], true.frames[-1])
    assert torch.isfinite(video.frames).all()


def test_files_without_a_hash_or_with_another_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "few.safetensors"
    pinned = saved({"blocks.0.attn1.to_q.lora_A.weight": torch.zeros(1, 1)}, path)
    with pytest.raises(ConfigError, match=r"no SHA-256 is known.*sha256sum"):
        require_pinned([str(path)], FEW_STEP_LORA)
    with pytest.raises(DataError, match="should have 0000"):
        require_pinned([f"{path}@{'0' * 64}"], FEW_STEP_LORA)
    assert require_pinned([f"{path}@{pinned.sha256}"], FEW_STEP_LORA) == (pinned,)
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(DataError, match=f"should have {pinned.sha256}"):
        require_pinned([f"{path}@{pinned.sha256}"], FEW_STEP_LORA)
    path.write_bytes(path.read_bytes()[:-1])
    (tmp_path / "SHA256SUMS").write_text(f"{pinned.sha256}  few.safetensors\n")
    assert require_pinned([str(path)], FEW_STEP_LORA) == (pinned,)
    with pytest.raises(ConfigError, match="could run code"):
        require_pinned([str(tmp_path / "few.pt")], FEW_STEP_LORA)
    with pytest.raises(ResourceMissing, match="is not there"):
        require_pinned([str(tmp_path / "gone.safetensors")], FEW_STEP_LORA)
    pickle = tmp_path / "bad.safetensors"
    torch.save({"a": torch.zeros(1)}, pickle)
    with pytest.raises(DataError, match="is a pickle"):
        require_pinned([f"{pickle}@{sha256(pickle.read_bytes()).hexdigest()}"], FEW_STEP_LORA)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"blocks.0.attn1.to_q.lora_A.weight": torch.ones(1, 4)}, "one matrix of a pair"),
        ({"blocks.0.attn1.to_q.weight_scale": torch.ones(1)}, "no part of a LoRA"),
        (
            {"blocks.0.q.lora_A.weight": torch.ones(2, 4), "blocks.0.q.lora_B.weight": torch.ones(4, 3)},
            "are no pair",
        ),
        ({"blocks.0.norm3.diff": torch.zeros(3)}, "no low-rank pairs"),
    ],
)  # fmt: skip
def test_what_is_no_lora_is_refused(tensors: dict[str, Tensor], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_changes(saved(tensors, tmp_path / "few.safetensors").path)


@pytest.mark.parametrize(("layer", "size"), [("blocks.0.cross_attn.k_img", 24), ("blocks.0.self_attn.q", 5)])
def test_lora_of_another_network_is_refused(
    load: Callable[[str], FlowBackend], layer: str, size: int, tmp_path: Path
) -> None:
    tensors = {
        f"diffusion_model.{layer}.lora_down.weight": torch.ones(1, size),
        f"diffusion_model.{layer}.lora_up.weight": torch.ones(size, 1),
    }
    few = saved(tensors, tmp_path / "few.safetensors")
    with pytest.raises(DataError, match="another network"):
        load("wan-vace")._pipe(None, [few])


@pytest.mark.parametrize("weights", ["int8", "fp8"])
def test_quantised_weights_take_a_byte_and_learn_and_make_a_video_all_the_same(
    load: Callable[[str], FlowBackend], context: Tensor, true: Video, weights: Any, tmp_path: Path
) -> None:
    pytest.importorskip("torchao")
    half, model = (replace(load("wan-vace"), weights=kind) for kind in ("half", weights))
    few = saved(random_lora(model), tmp_path / "few.safetensors")
    frames = context[:, torch.arange(36) % 18, :, :, :32]
    views = {"front": Video(tuple(i / 30 for i in range(36)), frames[0])}
    adapter = model.adapt(
        views, "", AdaptOptions("lora", steps=2), out=tmp_path / "a.safetensors", progress=Progress()
    )
    for found, bytes_each in ((half, 2), (model, 1)):
        layer = denoisers(found._pipe(adapter, [few])).blocks[0].attn1.to_q
        data = getattr(layer.weight, "qdata", layer.weight)
        assert data.untyped_storage().nbytes() == bytes_each * layer.weight.numel()
        assert layer.bias.dtype == torch.bfloat16
    wanted, got = (denoisers(m._pipe(adapter, [few])).blocks[1].ffn.net[2].weight for m in (half, model))
    got = got.dequantize().float()
    assert (got - wanted.float()).norm() < 0.05 * wanted.float().norm()
    options = GenerateOptions(seed=5, few_step_lora=(few,))
    video = model.generate(true, GAPS, "", options, adapter=adapter, progress=Progress())
    assert torch.isfinite(video.frames).all()
    assert torch.equal(video.frames[0], true.frames[-2])


def test_quantised_weights_without_their_library_are_refused_before_any_work(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANYMOLE_MODELS", str(store))
    monkeypatch.setattr("engine.video.backends.quantised.find_spec", lambda name: None)
    with pytest.raises(ResourceMissing, match=r"int8 needs torchao.*anymole\[quantised\]"):
        backend("wan-vace", device="cpu", precision="int8")
    assert backend("wan-vace", device="cpu", precision="half").name == "wan-vace"


def test_what_is_no_file_and_a_hash_cut_short_are_named(tmp_path: Path) -> None:
    folder, pipe = tmp_path / "folder.safetensors", tmp_path / "pipe.safetensors"
    folder.mkdir()
    os.mkfifo(pipe)
    for path, what in ((folder, "a folder"), (pipe, "a pipe")):
        with pytest.raises(ConfigError, match=f"{path.name} is {what}, no file"):
            require_pinned([str(path)], FEW_STEP_LORA)
    with pytest.raises(ConfigError, match="is 64 hexadecimal digits, and behind @ stand 10 characters"):
        require_pinned([f"few.safetensors@{'a' * 10}"], FEW_STEP_LORA)
