"""A tiny random Wan-VACE from GGUF files, and with blocks that wait in main memory."""

import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import WanVACETransformer3DModel
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.config import RunConfig
from engine.errors import ConfigError, DataError, ResourceMissing
from engine.files.video import Video
from engine.progress import Progress
from engine.settings.pinned_file import GGUF, PinnedFile
from engine.video.adaptation.lora_stack import require_pinned
from engine.video.backends import backend
from engine.video.backends.flow import denoisers
from engine.video.options import AdaptOptions, GenerateOptions
from tests.engine.video.pipelines import GAPS, save_wan_vace

gguf = pytest.importorskip("gguf")

HEAD = 32
"""Channels of an attention head: widths are multiples of 32, the weights of a Q8_0 block."""
SIZE = (32, 32)
SMALL = 0.02
"""Error of eight bits per weight, over the size of the weights and more than it."""
WANS_OWN = (
    (r"attn1\.norm_([qk])", r"self_attn.norm_\1"),
    (r"attn2\.norm_([qk])", r"cross_attn.norm_\1"),
    (r"attn1\.to_([qkv])", r"self_attn.\1"),
    (r"attn2\.to_([qkv])", r"cross_attn.\1"),
    (r"attn1\.to_out\.0", "self_attn.o"),
    (r"attn2\.to_out\.0", "cross_attn.o"),
    (r"norm2", "norm3"),
    (r"ffn\.net\.0\.proj", "ffn.0"),
    (r"ffn\.net\.2", "ffn.2"),
    (r"condition_embedder\.time_embedder\.linear_1", "time_embedding.0"),
    (r"condition_embedder\.time_embedder\.linear_2", "time_embedding.2"),
    (r"condition_embedder\.text_embedder\.linear_1", "text_embedding.0"),
    (r"condition_embedder\.text_embedder\.linear_2", "text_embedding.2"),
    (r"condition_embedder\.time_proj", "time_projection.1"),
    (r"^proj_out", "head.head"),
    (r"^scale_shift_table", "head.modulation"),
    (r"scale_shift_table", "modulation"),
    (r"proj_in", "before_proj"),
    (r"proj_out", "after_proj"),
)
"""Layers of diffusers as the files that are handed round call them, as Wan's repository does."""


def wans_name(name: str) -> str:
    for pattern, own in WANS_OWN:
        name = re.sub(pattern, own, name)
    return name


def write_gguf(tensors: dict[str, Tensor], path: Path, *, own_names: bool = False) -> PinnedFile:
    """Matrices of the blocks in eight bits, the rest in single precision."""
    writer = gguf.GGUFWriter(str(path), "wan")
    packed = gguf.GGMLQuantizationType.Q8_0
    for name, tensor in tensors.items():
        values = tensor.float().numpy()
        called = wans_name(name) if own_names else name
        if "blocks" in name and values.ndim == 2 and values.shape[-1] % 32 == 0:
            writer.add_tensor(called, gguf.quants.quantize(values, packed), raw_dtype=packed)
        else:
            writer.add_tensor(called, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return PinnedFile(path, sha256(path.read_bytes()).hexdigest())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_wan_vace(folder / "wan-vace", head=HEAD)
    save_wan_vace(folder / "wan22-vace-fun", 0.875, head=HEAD)
    return folder


@pytest.fixture(autouse=True)
def here(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANYMOLE_MODELS", str(store))


def tensors_of(store: Path, name: str = "wan-vace", part: str = "transformer") -> dict[str, Tensor]:
    return load_file(store / name / part / "diffusion_pytorch_model.safetensors")


@pytest.mark.parametrize("own_names", [False, True])
def test_matrices_stay_packed_and_compute_as_they_did(store: Path, own_names: bool, tmp_path: Path) -> None:
    file = write_gguf(tensors_of(store), tmp_path / "a.gguf", own_names=own_names)
    whole = backend("wan-vace", device="cpu")._pipe(None)  # type: ignore[attr-defined]
    packed = backend("wan-vace", device="cpu", size=SIZE, gguf=(file,))._pipe(None)  # type: ignore[attr-defined]
    for name, layer in packed.transformer.blocks[0].named_modules():
        if isinstance(layer, torch.nn.Linear):
            wanted = whole.transformer.blocks[0].get_submodule(name)
            assert layer.weight.untyped_storage().nbytes() == wanted.weight.numel() * 34 // 32
            given = torch.randn(3, layer.in_features, generator=torch.Generator().manual_seed(1))
            error = (layer(given) - wanted(given)).norm() / wanted(given).norm()
            assert 0 < error < SMALL


@pytest.mark.parametrize("name", ["wan-vace", "wan22-vace-fun"])
def test_packed_networks_learn_and_make_a_video_without_the_models_own(
    store: Path,
    name: str,
    context: Tensor,
    true: Video,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts = ["transformer"] if name == "wan-vace" else ["transformer", "transformer_2"]
    files = tuple(write_gguf(tensors_of(store, name, part), tmp_path / f"{part}.gguf") for part in parts)
    bare = tmp_path / "models"
    save_wan_vace(bare / name, None if name == "wan-vace" else 0.875, head=HEAD)
    for part in parts:
        (bare / name / part / "diffusion_pytorch_model.safetensors").unlink()
    monkeypatch.setenv("ANYMOLE_MODELS", str(bare))
    model: Any = backend(name, device="cpu", size=SIZE, gguf=files)
    assert model.source["gguf"] == [file.sha256 for file in files]
    frames = context[:, torch.arange(36) % 18, :, :, :32]
    views = {"front": Video(tuple(i / 30 for i in range(36)), frames[0])}
    adapter = model.adapt(
        views, "", AdaptOptions("lora", steps=2), out=tmp_path / "adapter.safetensors", progress=Progress()
    )
    assert adapter is not None
    for value in (learnt := load_file(adapter)):
        if value.endswith("up"):
            learnt[value] += 0.1  # two steps teach too little to be seen
    save_file(learnt, adapter, metadata=_metadata(adapter))
    layer_name = next(n.rsplit(".", 1)[0] for n in learnt if n.endswith("up"))
    plain, taught = (denoisers(model._pipe(a)).get_submodule(layer_name) for a in (None, adapter))
    given = torch.randn(3, plain.in_features, generator=torch.Generator().manual_seed(1))
    up, down = (next(v for n, v in learnt.items() if n.startswith(f"{layer_name}.") and n.endswith(end))
                for end in ("up", "down"))  # fmt: skip
    torch.testing.assert_close(taught(given), plain(given) + given @ down.T @ up.T)
    video = model.generate(
        true, GAPS, "", GenerateOptions(steps=2, seed=5), adapter=adapter, progress=Progress()
    )
    assert torch.isfinite(video.frames).all()
    assert torch.equal(video.frames[0], true.frames[-2])
    assert torch.equal(video.frames[-1], true.frames[-1])


def _metadata(path: Path) -> dict[str, str] | None:
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return file.metadata()


def test_waiting_blocks_make_the_same_video(store: Path, true: Video) -> None:
    videos = []
    for memory in ("low", "lowest"):
        model = backend("wan-vace", device="cpu", size=SIZE, memory=memory)  # type: ignore[arg-type]
        videos.append(model.generate(true, GAPS, "", GenerateOptions(steps=2, seed=5), progress=Progress()))
    assert torch.equal(videos[0].frames, videos[1].frames)
    networks = denoisers(model._pipe(None))  # type: ignore[attr-defined]
    assert any("offload" in name for block in networks.blocks for name in block._diffusers_hook.hooks)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: b"PK" + data[2:], "is no GGUF file"),
        (lambda data: data[:3000], "cannot be read as the network transformer"),
        (lambda data: data[:4] + b"\xff" * 40 + data[44:], "cannot be read as the network transformer"),
    ],
)  # fmt: skip
def test_damaged_files_end_in_a_sentence(
    store: Path, damage: Callable[[bytes], bytes], message: str, tmp_path: Path
) -> None:
    path = write_gguf(tensors_of(store), tmp_path / "a.gguf").path
    path.write_bytes(damage(path.read_bytes()))
    model: Any = backend("wan-vace", device="cpu", size=SIZE, gguf=(PinnedFile(path, ""),))
    with pytest.raises(DataError, match=message):
        model._pipe(None)


def test_a_file_that_changed_since_it_was_planned_with_is_not_read(store: Path, tmp_path: Path) -> None:
    file = write_gguf(tensors_of(store), tmp_path / "a.gguf")
    assert require_pinned([f"{file.path}@{file.sha256}"], GGUF) == (file,)
    model: Any = backend("wan-vace", device="cpu", size=SIZE, gguf=(file,))
    file.path.write_bytes(file.path.read_bytes()[:-1] + b"\1")
    with pytest.raises(DataError, match=f"should have {file.sha256}"):
        model._pipe(None)


def test_a_file_of_another_network_ends_in_a_sentence(store: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    other = WanVACETransformer3DModel(
        num_attention_heads=3, attention_head_dim=HEAD, in_channels=16, out_channels=16, text_dim=16, freq_dim=16,
        ffn_dim=64, num_layers=2, rope_max_seq_len=64, vace_layers=[0, 1], vace_in_channels=96,
    )  # fmt: skip
    for tensors in (other.state_dict(), dict(list(tensors_of(store).items())[5:])):
        file = write_gguf(tensors, tmp_path / "other.gguf")
        model: Any = backend("wan-vace", device="cpu", size=SIZE, gguf=(file,))
        with pytest.raises(DataError, match="made from this model"):
            model._pipe(None)


def test_what_cannot_be_is_refused_before_any_work(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_gguf(tensors_of(store), tmp_path / "a.gguf")
    with pytest.raises(ConfigError, match=r"no SHA-256 is known of the GGUF file"):
        require_pinned([str(file.path)], GGUF)
    monkeypatch.setattr("engine.video.backends.quantised.find_spec", lambda name: None)
    with pytest.raises(ResourceMissing, match=r"needs the package gguf.*anymole\[gguf\]"):
        backend("wan-vace", device="cpu", size=SIZE, gguf=(file,))
    for settings, message in (
        ({"model": "ltx", "gguf": ("a.gguf",)}, "ltx takes no GGUF file"),
        ({"model": "wan-vace", "gguf": ("a.bin",)}, "is no gguf file"),
        ({"model": "wan-vace", "gguf": ("a.gguf", "b.gguf")}, "takes 1 GGUF file, not 2"),
        ({"model": "wan22-vace-fun", "gguf": ("a.gguf",)}, "a GGUF file for high and one for low noise"),
        ({"model": "wan-vace", "gguf": ("a.gguf",), "precision": "int8"}, "the GGUF file says"),
        ({"model": "tiny", "memory": "lowest"}, "no blocks that can wait"),
        ({"model": "wan-vace", "memory": "lowest"}, "choose adapt off or memory low"),
    ):
        with pytest.raises(ConfigError, match=message):
            RunConfig("a.usda", engine="video", **settings)  # type: ignore[arg-type]
    RunConfig("a.usda", engine="video", model="wan-vace", memory="lowest", adapt="off")
