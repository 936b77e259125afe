"""Arrays on disk: exact, and never a pickle."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from engine.files.arrays import load_arrays, save_arrays


def test_arrays_come_back_bit_for_bit(tmp_path: Path) -> None:
    arrays = {"a": np.float32([1, np.pi]), "b": np.zeros((0, 3)), "c": np.array([True])}
    save_arrays(tmp_path / "x.npz", arrays, {"n": [1.1, None]})
    found, plain = load_arrays(tmp_path / "x.npz")
    assert plain == {"n": [1.1, None]}
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_pickles_are_never_loaded(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(pickle.dumps({"json": 1}))
    with pytest.raises(ValueError, match="pickle"):
        load_arrays(tmp_path / "x.npz")
    np.savez(tmp_path / "y.npz", json=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="pickle"):
        load_arrays(tmp_path / "y.npz")
