"""Files written whole: nothing half, nothing through a link, readable as the umask says."""

import os
import stat
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.errors import EngineError
from engine.files.arrays import save_arrays
from engine.files.atomic import whole_file, write_text
from engine.files.tensors import save_tensors
from usd_io.files import replacing


def test_what_was_there_stays_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    with suppress(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_the_bytes_are_on_the_disk_before_they_have_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, seen = tmp_path / "a.txt", []

    def reach_the_disk(descriptor: int) -> None:
        seen.append((os.pread(descriptor, 9, 0), path.exists()))

    monkeypatch.setattr(os, "fsync", reach_the_disk)
    with replacing(path) as temporary:
        temporary.write_bytes(b"new")
    assert (seen, path.read_bytes()) == ([(b"new", False)], b"new")


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("kept")
    link = tmp_path / "a.txt"
    link.symlink_to(secret)
    write_text(link, "new")
    assert (secret.read_text(), link.read_text(), link.is_symlink()) == ("kept", "new", False)


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_every_kind_of_file_has_the_mode_that_the_umask_gives(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        write_text(tmp_path / "a.txt", "a")
        save_tensors(tmp_path / "b.safetensors", {"x": torch.zeros(2)}, {})
        save_arrays(tmp_path / "c.npz", {"x": np.zeros(2)}, {})
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {mode}
    assert len(list(tmp_path.iterdir())) == 3


def test_a_folder_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(EngineError, match=r"cannot be written \(.*\); name another one\.$"),
        whole_file(tmp_path / "file" / "a.txt", "name another one"),
    ):
        pass
