"""Files that are whole or absent, whenever the process dies."""

import os
from collections.abc import Callable
from pathlib import Path

__all__ = ["Checkpoint", "replace_file", "sync_folder"]

# Called with the name of a step before and after what must not be torn; tests die there.
Checkpoint = Callable[[str], None]


def replace_file(path: Path, content: bytes, checkpoint: Checkpoint = lambda _: None) -> None:
    """
    Write a file so that a reader sees the old content or the new one, also after a power cut.

    Raises
    ------
    OSError
        If the disk is full or the folder cannot be written; the old content stays.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with temporary.open("wb") as file:
            file.write(content[: len(content) // 2])
            checkpoint("file half written")
            file.write(content[len(content) // 2 :])
            file.flush()
            os.fsync(file.fileno())
        checkpoint("file written")
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
    checkpoint("file replaced")


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
