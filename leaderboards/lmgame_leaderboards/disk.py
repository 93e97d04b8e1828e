"""Writing so that nothing is lost, and saying clearly why something couldn't be written."""

import errno
import os
from contextlib import suppress
from pathlib import Path

from lmgame_common import RecordError


def unwritable(path: Path, error: OSError) -> RecordError:
    """The error to raise when `path` couldn't be written: a full disk, or whatever else the system said."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RecordError(
            f"The disk is full: can't write {path}. Everything up to here is saved. Free some space, then run the same "
            "command again; it goes on where it stopped."
        )
    return RecordError(
        f"Can't write {path}: {error.strerror or error}. Make it writable, or choose another place with --out."
    )


def sync_folder(folder: Path) -> None:
    """See a folder's entries onto the disk; where folders can't be opened (Windows) the system does so on its own."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, content: bytes) -> None:
    """Write a small file so that a crash or a power cut leaves all of it or none.

    Raises:
        RecordError: If it can't be written.
    """
    draft = path.with_name(f"{path.name}.draft")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise unwritable(path, error) from error
