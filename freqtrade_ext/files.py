"""Files that are whole or absent, whenever the process dies."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

__all__ = ["Checkpoint", "replace_file", "sync_folder"]

# Called with the name of a step before and after what must not be torn; tests die there.
Checkpoint = Callable[[str], None]


def replace_file(
    path: Path,
    content: bytes,
    *,
    like: Path | None = None,
    checkpoint: Checkpoint = lambda _: None,
) -> None:
    """
    Write a file so that a reader sees the old content or the new one, also after a power cut.

    The new content goes to a temporary file in the same folder, reaches the disk, and then takes
    the name.

    Parameters
    ----------
    path : Path
        In a folder that exists.
    content : bytes
    like : Path, optional
        File whose permissions the new one gets, if it is there; `path` itself by default.
    checkpoint : callable
        Is told of each step.

    Raises
    ------
    OSError
        If the disk is full or the folder cannot be written; the old content stays.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    temporary, model = Path(name), path if like is None else like
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content[: len(content) // 2])
            checkpoint("file half written")
            file.write(content[len(content) // 2 :])
            file.flush()
            os.fsync(file.fileno())
        if model.exists():
            shutil.copymode(model, temporary)
        else:
            temporary.chmod(0o644)  # mkstemp hides it from everyone else
        checkpoint("file written")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)
    checkpoint("file replaced")


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
