"""One hash of contents: the same for the same, another for whatever differs."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.files import hashing
from engine.files.hashing import content_hash, remembered_hash
from usd_io.files import file_hash


@dataclass(frozen=True)
class Inputs:
    """Of a stage."""

    seed: int
    prompt: str = ""


def test_the_order_of_a_mapping_and_the_kind_of_a_sequence_do_not_count() -> None:
    assert content_hash({"a": 1, "b": [1.5]}) == content_hash({"b": (1.5,), "a": 1})
    assert content_hash(Inputs(3)) == content_hash({"seed": 3, "prompt": ""})


def test_an_array_counts_by_its_numbers_wherever_it_stands() -> None:
    array = np.arange(6.0)
    once = content_hash({"a": array, "b": array})
    assert once == content_hash({"a": array.copy(), "b": array[::-1][::-1]})
    assert once != content_hash({"a": array, "b": array + 1})


def test_whatever_differs_has_another_hash(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("1")
    values = [
        None, True, 1, 1.0, "1", "", [], {}, [1], [[1]], ["1", "2"], ["1,2"], {"1": 2}, {"12": ""}, {"1": [2, 3]},
        Inputs(1), Inputs(2), np.zeros(2), np.zeros((1, 2)), np.zeros(2, np.float32), np.float32(0.1), np.zeros(0),
        torch.zeros(2), torch.zeros(2, dtype=torch.bfloat16), torch.ones(2, dtype=torch.bfloat16), [file], file,
    ]  # fmt: skip
    assert len({content_hash(value) for value in values}) == len(values)


def test_a_file_counts_by_its_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for path in (first, second):
        path.write_bytes(b"weights")
    assert content_hash(first) == hashlib.sha256(b"weights").hexdigest()
    assert content_hash({"file": first}) == content_hash({"file": second})
    second.write_bytes(b"Weights")
    assert content_hash({"file": first}) != content_hash({"file": second})


def test_what_a_tensor_or_array_holds_counts_and_not_how_it_lies() -> None:
    array = np.arange(6.0).reshape(2, 3)
    assert content_hash(array) == content_hash(np.asfortranarray(array)) != content_hash(array.T)
    tensor = torch.arange(6.0).reshape(2, 3)
    assert content_hash(tensor) == content_hash(tensor.t().contiguous().t())


def test_what_has_no_contents_to_speak_of_is_refused() -> None:
    with pytest.raises(TypeError, match="a object cannot be hashed"):
        content_hash({"x": object()})


def test_a_settled_file_is_read_once_and_a_changed_one_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    monkeypatch.setattr(hashing, "file_hash", lambda path: (read.append(path), file_hash(path))[1])
    file = tmp_path / "weights"
    file.write_bytes(b"first")
    first = hashlib.sha256(b"first").hexdigest()
    monkeypatch.setattr(hashing, "SETTLED_S", 1e9)
    assert [remembered_hash(file), remembered_hash(file)] == [first, first]
    assert len(read) == 2, "a file that has just changed may change again unseen"
    monkeypatch.setattr(hashing, "SETTLED_S", -1.0)
    assert [remembered_hash(file), remembered_hash(file)] == [first, first]
    assert len(read) == 3
    before = file.stat()
    changed = file.stat().st_ctime_ns
    while changed == file.stat().st_ctime_ns:  # until the clock of the file system ticks
        file.write_bytes(b"other")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert remembered_hash(file) == hashlib.sha256(b"other").hexdigest()
    link = tmp_path / "link"
    link.symlink_to(file)
    assert remembered_hash(link) == hashlib.sha256(b"other").hexdigest()
    assert len(read) == 4
    link.unlink()
    (tmp_path / "third").write_bytes(b"third")
    link.symlink_to(tmp_path / "third")
    assert remembered_hash(link) == hashlib.sha256(b"third").hexdigest()
