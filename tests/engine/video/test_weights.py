"""Weight files: what is refused, how a checkpoint is converted, where files are looked for."""

import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.errors import ConfigError, DataError, ExitCode, ResourceMissing, exit_code
from engine.files.hashing import content_hash
from engine.files.tensors import load_checkpoint, load_meta, load_tensors, save_tensors
from engine.progress import Progress
from engine.video.catalogue import fetch, models
from engine.video.catalogue.convert import convert_checkpoint, load_model
from engine.video.catalogue.model_cards import PREFIXES
from engine.video.catalogue.models import WeightFile
from engine.video.network import shapes
from engine.video.network.shapes import ModelShape
from tests.parity import facts, fill, normal, records

VALUES = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4)}


class Malicious:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return Path.touch, (Path("owned"),)  # type: ignore[return-value]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    save_tensors(tmp_path / "w.safetensors", VALUES, {"made": ["by", 1]})
    return tmp_path / "w.safetensors"


def test_tensors_and_json_come_back(file: Path) -> None:
    assert all(torch.equal(load_tensors(file)[k], v) for k, v in VALUES.items())
    assert load_meta(file) == {"made": ["by", 1]}
    assert [p.name for p in file.parent.iterdir()] == ["w.safetensors"]


@pytest.mark.parametrize("size", [0, 4, 40, -1])
def test_truncated_safetensors_are_refused(file: Path, size: int) -> None:
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(DataError, match=r"w\.safetensors"):
        load_tensors(file)


@pytest.mark.parametrize("start", [b"\x80", b"PK"])
def test_header_whose_length_begins_like_a_pickle_is_read(tmp_path: Path, start: bytes) -> None:
    wanted = int.from_bytes(start, "little")
    path = tmp_path / "w.safetensors"
    save_tensors(path, VALUES, {})
    (length,) = struct.unpack("<Q", path.read_bytes()[:8])
    padding = (wanted - length) % (1 << 8 * len(start))
    whole = path.read_bytes()
    head = whole[8 : 8 + length] + b" " * padding
    path.write_bytes(struct.pack("<Q", len(head)) + head + whole[8 + length :])
    assert path.read_bytes().startswith(start)
    assert load_tensors(path).keys() == VALUES.keys()


def test_longer_or_broken_safetensors_are_refused(file: Path) -> None:
    whole = file.read_bytes()
    for broken in (whole + b"x", struct.pack("<Q", 9) + b'{"a": 1}}', struct.pack("<Q", 2**60) + whole):
        file.write_bytes(broken)
        with pytest.raises(DataError):
            load_tensors(file)


@pytest.mark.parametrize(
    "write", [lambda o, p: p.write_bytes(pickle.dumps(o)), torch.save], ids=["pickle", "zip"]
)
def test_pickle_under_a_safe_name_is_refused(tmp_path: Path, write: Callable[[object, Path], None]) -> None:
    write(VALUES, tmp_path / "w.safetensors")
    with pytest.raises(DataError, match="pickle"):
        load_checkpoint(tmp_path / "w.safetensors")


@pytest.mark.parametrize(
    "write", [lambda o, p: p.write_bytes(pickle.dumps(o)), torch.save], ids=["pickle", "zip"]
)
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_checkpoint_that_runs_code_is_refused_and_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[object, Path], None]
) -> None:
    monkeypatch.chdir(tmp_path)
    write({"state_dict": Malicious()}, tmp_path / "model.ckpt")
    with pytest.raises(DataError, match="refused"):
        load_checkpoint(tmp_path / "model.ckpt")
    assert not (tmp_path / "owned").exists()


def test_checkpoints_of_lightning_and_deepspeed_are_read(tmp_path: Path) -> None:
    for content in (
        VALUES,
        {"state_dict": VALUES, "epoch": 3},
        {"module": {f"_forward_module.{k}": v for k, v in VALUES.items()}},
    ):
        torch.save(content, tmp_path / "model.ckpt")
        found = load_checkpoint(tmp_path / "model.ckpt")
        assert {k: v.tolist() for k, v in found.items()} == {k: v.tolist() for k, v in VALUES.items()}


def test_checkpoint_without_tensors_is_refused(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "model.ckpt")
    (tmp_path / "text.ckpt").write_text("404: Not Found")
    for name in ("model.ckpt", "text.ckpt"):
        with pytest.raises(DataError, match=name):
            load_checkpoint(tmp_path / name)


RECORDED = ModelShape(
    shapes.unet_shape(facts("records")["unet_config"]),
    shapes.resampler_shape(facts("records")["resampler_config"]),
    shapes.vae_shape(facts("records")["vae_config"]),
    shapes.clip_text_shape(facts("encoders")["clip_text_config"]),
    shapes.clip_image_shape(facts("encoders")["clip_vision_config"]),
)


@pytest.fixture(scope="module")
def checkpoint() -> dict[str, Tensor]:
    """A whole checkpoint under upstream's names; both CLIP towers are stored twice there, as in the released one."""
    clip = fill(facts("encoders")["clip_shapes"])
    parts = {name: fill(facts("records")[f"{name}_shapes"]) for name in ("unet", "resampler", "vae")}
    parts |= {"text": clip, "image": clip}
    return {
        PREFIXES[part] + name: value.clone() for part, state in parts.items() for name, value in state.items()
    }


@pytest.fixture(scope="module")
def converted(checkpoint: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    torch.save({"state_dict": checkpoint}, folder / "model.ckpt")
    convert_checkpoint(folder / "model.ckpt", folder / "dynamicrafter", progress=Progress(), shape=RECORDED)
    return folder / "dynamicrafter"


@torch.no_grad()
def test_converted_checkpoint_gives_the_recorded_outputs(converted: Path) -> None:
    model = load_model(converted, check=True)
    inputs = facts("records")["unet_inputs"]
    x, context = normal("x", inputs["x"]), normal("context", inputs["context"])
    out = model.unet(x, torch.tensor(inputs["timesteps"]), context, torch.tensor(inputs["fs"]))
    assert (out - records("records")["unet_out"]).abs().max() < 2e-5
    text = model.text(input_ids=torch.tensor(facts("encoders")["clip_token_ids"])).last_hidden_state
    assert (text - records("encoders")["clip_text_tokens"]).abs().max() < 2e-5
    size = RECORDED.image.image
    image = model.image(pixel_values=normal("clip_image", (2, 3, size, size))).last_hidden_state
    assert (image - records("encoders")["clip_image_tokens"]).abs().max() < 2e-5
    assert {p.name for p in converted.iterdir()} == {"model.json", *(f"{p}.safetensors" for p in PREFIXES)}
    assert model.source["parts"]["unet"] == content_hash(converted / "unet.safetensors")


def test_half_precision_halves_all_but_the_autoencoder(
    checkpoint: dict[str, Tensor], converted: Path, tmp_path: Path
) -> None:
    save_tensors(tmp_path / "model.safetensors", checkpoint, {})
    convert_checkpoint(
        tmp_path / "model.safetensors",
        tmp_path / "half",
        progress=Progress(),
        shape=RECORDED,
        dtype=torch.float16,
    )
    sizes = [(tmp_path / "half" / f"{p}.safetensors").stat().st_size for p in ("unet", "vae")]
    full = [(converted / f"{p}.safetensors").stat().st_size for p in ("unet", "vae")]
    assert sizes[0] < 0.6 * full[0]
    assert sizes[1] == full[1]
    assert load_model(tmp_path / "half").unet.conv_in.weight.dtype == torch.float16


def test_checkpoint_of_another_network_is_refused_and_leaves_nothing(
    checkpoint: dict[str, Tensor], tmp_path: Path
) -> None:
    torch.save(checkpoint, tmp_path / "model.ckpt")
    with pytest.raises(DataError, match="unet network is another one"):
        convert_checkpoint(tmp_path / "model.ckpt", tmp_path / "out", progress=Progress())
    torch.save({k: v for k, v in checkpoint.items() if "ln_final" not in k}, tmp_path / "model.ckpt")
    with pytest.raises(DataError, match="lacks"):
        convert_checkpoint(tmp_path / "model.ckpt", tmp_path / "out", progress=Progress(), shape=RECORDED)
    assert not (tmp_path / "out").exists()


def test_changed_or_missing_part_of_a_converted_model_is_refused(converted: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(converted, copy)
    save_tensors(copy / "vae.safetensors", load_tensors(copy / "resampler.safetensors"), {})
    with pytest.raises(DataError, match="SHA-256"):
        load_model(copy, check=True)
    with pytest.raises(DataError, match="another network"):
        load_model(copy)
    (copy / "vae.safetensors").unlink()
    with pytest.raises(ResourceMissing, match=r"vae\.safetensors"):
        load_model(copy)
    (copy / "model.json").write_text("{}")
    with pytest.raises(DataError, match=r"model\.json"):
        load_model(copy)
    with pytest.raises(ResourceMissing, match="models convert"):
        load_model(tmp_path / "nowhere")


@pytest.fixture
def empty_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any weights; its folders are those of the test."""
    for name in ("HF_HUB_CACHE", "ANYMOLE_MODELS", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub_home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def test_missing_weights_say_where_they_were_looked_for_and_what_to_do(
    empty_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = models.card("dynamicrafter")
    with pytest.raises(ResourceMissing, match="anymole models pull dynamicrafter") as caught:
        models.require_file(card, card.files[0])
    assert str(empty_machine / "cache" / "anymole" / "models" / "dynamicrafter") in str(caught.value)
    assert str(empty_machine / "hub_home" / "hub") in str(caught.value)
    assert exit_code(caught.value) == ExitCode.RETRYABLE
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ResourceMissing, match="HF_HUB_OFFLINE"):
        fetch.pull(card, progress=Progress())


def test_weights_are_found_in_the_mirror_before_the_hub(
    empty_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = models.card("dinov2")
    file = card.files[1]
    repository = empty_machine / "hub_home" / "hub" / "models--facebook--dinov2-with-registers-base"
    cached = repository / "snapshots" / "abc" / file.name
    cached.parent.mkdir(parents=True)
    cached.touch()
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    assert models.find_file(card, file) == cached
    monkeypatch.setenv("ANYMOLE_MODELS", str(empty_machine / "mirror"))
    own = empty_machine / "mirror" / "dinov2" / file.name
    own.parent.mkdir(parents=True)
    own.touch()
    assert models.find_file(card, file) == own


def test_wrong_hash_is_refused(file: Path) -> None:
    assert fetch.verify_file(WeightFile("w.safetensors", 0, content_hash(file)), file)
    assert not fetch.verify_file(WeightFile("w.safetensors", 0), file)
    with pytest.raises(DataError, match="SHA-256"):
        fetch.verify_file(WeightFile("w.safetensors", 0, "0" * 64), file)


def test_cards_are_complete_and_unknown_models_named() -> None:
    for card in models.CARDS:
        assert card.licence
        assert card.files
    with pytest.raises(ConfigError, match=r"choose .*dynamicrafter"):
        models.card("sora")
