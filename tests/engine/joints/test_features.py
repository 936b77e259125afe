"""Image features agree with what was recorded from timm."""

from pathlib import Path

import pytest
import torch

from engine.errors import DataError, ResourceMissing
from engine.joints.features import (
    build_features,
    channels_of,
    load_dinov2,
    load_fit3d,
    load_frozen,
    map_timm,
    patch_features,
)
from tests.parity import facts, fill, normal, records

TOLERANCE = 2e-5


@pytest.fixture(scope="module")
def fit3d(tmp_path_factory: pytest.TempPathFactory) -> torch.nn.Module:
    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("fit3d") / "fit3d.pth"
    torch.save(fill(facts("encoders")["fit3d_shapes"]), path)
    return load_fit3d(path)


@torch.no_grad()
def test_fit3d_gives_the_recorded_tokens(fit3d: torch.nn.Module) -> None:
    out = fit3d(pixel_values=normal("fit3d_image", facts("encoders")["fit3d_image"])).last_hidden_state
    assert (out - records("encoders")["fit3d_tokens"]).abs().max() < TOLERANCE


@torch.no_grad()
def test_fit3d_gives_the_recorded_tokens_at_its_native_size(fit3d: torch.nn.Module) -> None:
    out = fit3d(pixel_values=normal("fit3d_image_518", (1, 3, 518, 518))).last_hidden_state[:, :100]
    assert (out - records("encoders")["fit3d_tokens_518_first100"]).abs().max() < TOLERANCE


@torch.no_grad()
def test_patches_keep_their_places() -> None:
    """A white square changes the features of its own patch most."""
    torch.manual_seed(0)
    network = build_features(64, 1)
    plain = torch.zeros(1, 3, 42, 70)
    marked = plain.clone()
    marked[:, :, 14:28, 42:56] = 1
    change = (patch_features(network, marked, 3, 5) - patch_features(network, plain, 3, 5)).norm(dim=1)[0]
    assert change.argmax().item() == 1 * 5 + 3


def test_other_networks_and_missing_files_are_refused(tmp_path: Path) -> None:
    shapes = facts("encoders")["fit3d_shapes"]
    torch.save({k: v for k, v in fill(shapes).items() if "mlp" not in k}, tmp_path / "half.pth")
    torch.save({"weight": torch.ones(1)}, tmp_path / "other.pth")
    for name in ("half.pth", "other.pth"):
        with pytest.raises(DataError, match=name):
            load_fit3d(tmp_path / name)
    with pytest.raises(ResourceMissing):
        load_fit3d(tmp_path / "none.pth")
    with pytest.raises(DataError, match="no DINOv2"):
        load_dinov2(tmp_path)


@torch.no_grad()
def test_dinov2_is_read_from_a_folder_without_a_network(tmp_path: Path) -> None:
    network = build_features(64, 1)
    network.save_pretrained(tmp_path)  # type: ignore[operator]
    images = torch.rand(1, 3, 28, 28)
    loaded = load_dinov2(tmp_path)
    assert torch.equal(patch_features(loaded, images, 2, 2), patch_features(network, images, 2, 2))


def test_every_name_of_timm_is_mapped() -> None:
    mapped = map_timm(fill(facts("encoders")["fit3d_shapes"]))
    assert not [name for name in mapped if name.startswith(("blocks", "patch_embed"))]


def test_the_paper_s_two_are_found_in_the_folder_of_models_and_named_where_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANYMOLE_MODELS", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(ResourceMissing, match=r"config\.json of dinov2.*models pull dinov2"):
        load_frozen()
    build_features(64, 1).save_pretrained(tmp_path / "dinov2")  # type: ignore[operator]
    with pytest.raises(ResourceMissing, match=r"dinov2_reg_small_finetuned\.pth of fit3d"):
        load_frozen()
    (tmp_path / "fit3d").mkdir()
    torch.save(fill(facts("encoders")["fit3d_shapes"]), tmp_path / "fit3d" / "dinov2_reg_small_finetuned.pth")
    shapes = facts("encoders")["fit3d_shapes"]
    assert [channels_of(network) for network in load_frozen()] == [64, shapes["cls_token"][-1]]
    (tmp_path / "fit3d" / "dinov2_reg_small_finetuned.pth").write_bytes(b"PK but no archive")
    with pytest.raises(DataError, match="cannot be read as weights"):
        load_frozen()
