"""``anymole models`` as a user meets it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from anymole_tui.cli.app import main
from engine.files.tensors import save_tensors


@dataclass
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Anymole = Callable[..., Outcome]


@pytest.fixture
def anymole(capfd: pytest.CaptureFixture[str]) -> Anymole:
    def call(*arguments: object) -> Outcome:
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Outcome(int(stop.value.code or 0), out, err)

    return call


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HF_HUB_CACHE", "HF_HUB_OFFLINE", "ANYMOLE_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub_home"))
    monkeypatch.setenv("ANYMOLE_MODELS", str(tmp_path / "here"))
    return tmp_path / "here"


def test_memory_marks_what_fits_a_card(anymole: Anymole) -> None:
    text = anymole("models", "memory", "--card", 24)
    assert text.code == 0
    (half,) = (line for line in text.out.splitlines() if line.startswith("wan-vace-14b") and " half " in line)
    (small,) = (line for line in text.out.splitlines() if line.startswith("wan-vace ") and " half " in line)
    assert "fits" not in half
    assert small.count("fits") == 3
    assert "not measured" in text.err
    rows = anymole("models", "memory", "--card", 24, "--json").json["needs"]
    assert {row["fits"] for row in rows} == {True, False}
    assert all(row["fits"] == (row["card_gb"] <= 24) for row in rows)
    for number in (-1, "nan", "inf"):
        assert anymole("models", "memory", "--card", number).code == 2


def test_list_says_what_each_model_needs_and_allows(anymole: Anymole, machine: Path) -> None:
    text = anymole("models", "list")
    assert text.code == 0
    assert "dynamicrafter" in text.out
    assert "10 million US dollars" in text.out
    assert str(machine) in text.err
    report = anymole("models", "list", "--json").json
    entry = next(m for m in report["models"] if m["name"] == "wan-vace")
    assert entry["licence"] == "Apache-2.0"
    assert entry["gigabytes"] > 1
    assert (entry["state"], entry["path"]) == ("missing", None)


def test_path_of_a_missing_model_is_an_error_to_come_back_from(anymole: Anymole) -> None:
    outcome = anymole("models", "path", "dynamicrafter", "--json")
    assert outcome.code == 3
    assert "models pull dynamicrafter" in outcome.json["error"]
    assert anymole("models", "path", "sora").code == 2


def test_pull_verify_and_path_from_a_folder(anymole: Anymole, machine: Path, tmp_path: Path) -> None:
    store = tmp_path / "store" / "dinov2"
    save_tensors(store / "model.safetensors", {"a": torch.ones(4)}, {})
    (store / "config.json").write_text("{}")
    pulled = anymole("models", "pull", "dinov2", "--from", tmp_path / "store", "--json")
    assert pulled.code == 0
    assert pulled.json["state"] == "ready"
    assert anymole("models", "path", "dinov2").out.strip() == str(machine / "dinov2")
    files = anymole("models", "verify", "dinov2", "--json").json["files"]
    assert {f["checked"] for f in files} == {"form"}
    (machine / "dinov2" / "model.safetensors").write_bytes(b"short")
    assert anymole("models", "verify", "dinov2").code == 4


def test_convert_refuses_a_checkpoint_of_another_network_and_keeps_it(
    anymole: Anymole, machine: Path
) -> None:
    checkpoint = machine / "dynamicrafter" / "model.ckpt"
    checkpoint.parent.mkdir(parents=True)
    torch.save({"model.diffusion_model.x": torch.ones(2)}, checkpoint)
    assert anymole("models", "path", "dynamicrafter", "--json").json["state"] == "to convert"
    outcome = anymole("models", "convert", "dynamicrafter", "--json")
    assert outcome.code == 4
    assert "checkpoint" in outcome.json["error"]
    assert [p.name for p in checkpoint.parent.iterdir()] == ["model.ckpt"]
    assert anymole("models", "convert", "dinov2").code == 2
