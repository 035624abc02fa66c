"""Land the files of a report as one: the folder appears when all of them are on the disk."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

__all__ = ["LATEST", "land"]

LATEST: Final = "latest"


def land(reports: Path, files: Mapping[str, str], made_at: datetime) -> Path:
    """
    Write files into a new folder ``<UTC time>`` of `reports`, and let ``latest`` lead to it.

    Parameters
    ----------
    reports : Path
        Made if it is not there.
    files : mapping of str to str
        Names and contents.
    made_at : datetime
        UTC; gives the folder its name.

    Returns
    -------
    Path
        The new folder. If anything fails or is interrupted, there is no trace of it.
    """
    reports.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=reports, prefix=".unfinished-"))
    try:
        for name, text in files.items():
            _write(temporary / name, text)
        temporary.chmod(0o755)  # mkdtemp hides it from everyone else
        folder = _free(reports, f"{made_at:%Y-%m-%dT%H-%M-%SZ}")
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _point_latest_to(folder)
    return folder


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _free(reports: Path, name: str) -> Path:
    folder, number = reports / name, 2
    while folder.exists():
        folder, number = reports / f"{name}-{number}", number + 1
    return folder


def _point_latest_to(folder: Path) -> None:
    """Replace the link in one step; where links are not to be had, a text file names the folder."""
    latest = folder.parent / LATEST
    fresh = folder.parent / f".{LATEST}.{folder.name}"
    try:
        fresh.symlink_to(folder.name, target_is_directory=True)
        fresh.replace(latest)
    except OSError:  # no links on this file system, or a folder of that name
        fresh.unlink(missing_ok=True)
        (folder.parent / f"{LATEST}.txt").write_text(f"{folder.name}\n", encoding="utf-8")
