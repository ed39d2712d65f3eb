"""Files and folders that only the user of the simulation can read."""

import os
import stat
from pathlib import Path

OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def folder(path: Path) -> None:
    """Create a folder for secrets, or check the existing one.

    Raises:
        PermissionError: it is a link, belongs to another user or is writable by others.

    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    info = path.lstat()
    if not stat.S_ISDIR(info.st_mode):
        raise PermissionError(f"{path} is a link: name the folder itself")
    if info.st_uid != os.getuid():
        raise PermissionError(f"{path} belongs to another user")
    if info.st_mode & OTHERS_WRITE:
        raise PermissionError(f"other users may write to {path}: chmod go-w it")


def write(path: Path, text: str | bytes) -> Path:
    """Write a file with mode 0600 atomically; return its path.

    An existing file or link is replaced, never written to.

    Raises:
        OSError: the file cannot be written.

    """
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(new, flags, 0o600), "wb") as file:
        file.write(text.encode() if isinstance(text, str) else text)
    return new.replace(path)


def read(path: Path) -> str:
    """Return the text of a file that no other user can have written.

    Raises:
        OSError: it cannot be read, belongs to another user or is a link.

    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        info = os.fstat(file.fileno())
        if info.st_uid != os.getuid() or info.st_mode & OTHERS_WRITE:
            raise PermissionError(f"{path} can be written by other users")
        return file.read().decode()
