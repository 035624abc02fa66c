"""Files that are whole or absent.

Bugs planted by hand, each caught by the test named:

1. written in place -> test_a_reader_sees_the_old_content_or_the_new
2. a failure leaves the temporary file -> the same
3. no sync before the rename, or none of the folder after it -> test_content_and_name_reach_the_disk
4. permissions of the temporary file stay -> test_permissions
"""

import os
import stat
from pathlib import Path

import pytest

from freqtrade_ext.files import replace_file


def test_a_reader_sees_the_old_content_or_the_new(tmp_path):
    path, seen = tmp_path / "state.json", []
    replace_file(path, b"first")

    def look(step):
        seen.append((step, path.read_bytes()))

    replace_file(path, b"second", checkpoint=look)
    assert seen == [
        ("file half written", b"first"),
        ("file written", b"first"),
        ("file replaced", b"second"),
    ]

    def fail(step):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        replace_file(path, b"third", checkpoint=fail)
    assert path.read_bytes() == b"second"
    assert [each.name for each in tmp_path.iterdir()] == ["state.json"]


def test_content_and_name_reach_the_disk(tmp_path, monkeypatch):
    steps, sync, rename = [], os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (steps.append("sync"), sync(handle))[1])
    monkeypatch.setattr(
        Path, "replace", lambda self, to: (steps.append("rename"), rename(self, to))[1]
    )
    replace_file(tmp_path / "a", b"x")
    assert steps == ["sync", "rename", "sync"]


def test_permissions(tmp_path):
    path = tmp_path / "a"
    replace_file(path, b"x")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    path.chmod(0o600)
    replace_file(path, b"y")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    other = tmp_path / "b"
    replace_file(other, b"y", like=path)
    assert stat.S_IMODE(other.stat().st_mode) == 0o600
