"""Files and folders of the simulation that only its user may read."""

import os
import stat
from pathlib import Path

OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def folder(path: Path) -> None:
    """Make a folder for secrets, or check the one there is.

    Raises:
        PermissionError: it is a link or another user's, or others may write to it.

    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise PermissionError(f"{path} is a link: name the folder itself")
    if found.st_uid != os.getuid():
        raise PermissionError(f"{path} belongs to another user")
    if found.st_mode & OTHERS_WRITE:
        raise PermissionError(f"other users may write to {path}: chmod go-w it")


def write(path: Path, text: str | bytes) -> Path:
    """Write a file that the user alone can read (mode 0600), all at once.

    What stands there before, a link too, is replaced, never written to.

    Raises:
        OSError: it cannot be written.

    """
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(new, flags, 0o600), "wb") as file:
        file.write(text.encode() if isinstance(text, str) else text)
    return new.replace(path)


def read(path: Path) -> str:
    """Return the text of a file that the user alone can have written.

    Raises:
        OSError: it cannot be read, or is another user's or a link.

    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        found = os.fstat(file.fileno())
        if found.st_uid != os.getuid() or found.st_mode & OTHERS_WRITE:
            raise PermissionError(f"{path} can be written by other users")
        return file.read().decode()
