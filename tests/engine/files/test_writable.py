"""Folders that cannot be written to, and none the worse for having been asked."""

import os
from pathlib import Path

import pytest

from engine.errors import ConfigError
from engine.files import owned_folder
from engine.files.owned_folder import check_writable, foreign_names


def test_a_folder_that_takes_files_is_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_writable(tmp_path / "a" / "b")
    monkeypatch.delattr(owned_folder.os, "O_TMPFILE", raising=False)  # as on systems without
    check_writable(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="no file system of processes")  # noqa: PTH112
def test_a_file_system_that_takes_no_files_is_refused_whoever_asks() -> None:
    with pytest.raises(ConfigError, match=r"/proc/x cannot be written \(.+\); .*name another folder"):
        check_writable(Path("/proc/x"))


@pytest.mark.parametrize("unnamed", [True, False])
def test_what_permissions_do_not_tell_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, unnamed: bool
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    if not unnamed:
        monkeypatch.delattr(owned_folder.os, "O_TMPFILE", raising=False)
        monkeypatch.setattr(Path, "mkdir", refuse)
    elif not hasattr(os, "O_TMPFILE"):
        pytest.skip("no files without names here")
    else:
        monkeypatch.setattr(owned_folder.os, "open", refuse)
    with pytest.raises(
        ConfigError, match=r"out cannot be written \(Read-only file system\); make it"
    ) as refused:
        check_writable(tmp_path / "out")
    assert refused.value.settings == ("out",)


def test_a_full_disk_is_left_to_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.delattr(owned_folder.os, "O_TMPFILE", raising=False)
    monkeypatch.setattr(Path, "mkdir", full)
    check_writable(tmp_path / "out")


def test_what_it_tries_is_not_taken_for_a_file_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    touch = Path.touch

    def look(self: Path) -> None:
        seen.extend(path.name for path in tmp_path.iterdir())
        assert foreign_names(tmp_path) == []
        touch(self)

    monkeypatch.delattr(owned_folder.os, "O_TMPFILE", raising=False)
    monkeypatch.setattr(Path, "touch", look)
    check_writable(tmp_path)
    assert len(seen) == 1
