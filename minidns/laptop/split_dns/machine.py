"""The machine whose resolver is changed: its files below a root, its programs.

This is the only module of split-dns that writes. Every write is atomic: a new file is
written beside the old one and renamed over it.
"""

import errno
import os
import stat
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from msgspec import Struct

from minidns.text.files import describe

ABSENT, FILE, LINK = "absent", "file", "link"
_HOPS = 8
_RUN_S = 60.0


class State(Struct, frozen=True):
    """The file, the link or the absence of both at a path."""

    kind: str = ABSENT
    content: bytes = b""
    """Content of a file; target of a link."""
    mode: int = 0
    owner: tuple[int, int] = (0, 0)
    """User and group."""

    def is_like(self, other: "State") -> bool:
        """Return whether both have the same content; owner and mode may differ."""
        return (self.kind, self.content) == (other.kind, other.content)


class CommandFailed(Exception):
    """A program could not be run, or failed; ``str()`` says which and why."""


Run: TypeAlias = Callable[[Sequence[str]], None]
"""Runs a program and waits until it ends; raises CommandFailed."""


class Machine:
    """Files and programs of the machine, or of one that is only a folder."""

    def __init__(self, root: Path, run: Run | None) -> None:
        """Take paths as below ``root``; without ``run`` no program is run."""
        self.root = root
        self.run = run

    def real(self, path: str) -> Path:
        """Return ``path`` below the root."""
        return self.root / path.lstrip("/")

    def state(self, path: str) -> State:
        """Return the state of ``path``; links are not followed.

        Raises:
            OSError: it cannot be read, or is neither file nor link.

        """
        real = self.real(path)
        try:
            status = real.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return State()
        owner = status.st_uid, status.st_gid
        if stat.S_ISLNK(status.st_mode):
            return State(LINK, os.fsencode(os.readlink(real)), 0, owner)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{path}: neither a file nor a link")
        return State(FILE, real.read_bytes(), stat.S_IMODE(status.st_mode), owner)

    def text(self, path: str) -> str:
        """Return the text of the file at ``path``; links are followed below the root.

        Empty if there is no file, or the process may not read it.

        Raises:
            OSError: it cannot be read for another reason.

        """
        for _ in range(_HOPS):
            try:
                state = self.state(path)
            except PermissionError:
                return ""
            if state.kind != LINK:
                return state.content.decode("utf-8", "replace")
            path = os.path.join(os.path.dirname(path), os.fsdecode(state.content))
            path = os.path.normpath(path)
        return ""

    def exists(self, path: str) -> bool:
        """Return whether ``path`` exists, as a file, link or directory."""
        return os.path.lexists(self.real(path))

    def names(self, folder: str) -> list[str]:
        """Return the paths of the files in a directory, sorted; empty without one."""
        try:
            return sorted(f"{folder}/{name}" for name in os.listdir(self.real(folder)))
        except OSError:
            return []

    def may_write(self, path: str) -> bool:
        """Return whether the process may write ``path`` and create its parents."""
        folder = self.real(path).parent
        while not folder.exists() and folder != self.root:
            folder = folder.parent
        return os.access(folder, os.W_OK | os.X_OK)

    def put(self, path: str, state: State) -> None:
        """Bring ``path`` into ``state``, atomically and synced to disk."""
        real, new = self.real(path), self._new(path)
        if state.kind == ABSENT:
            real.unlink(missing_ok=True)
        else:
            new.unlink(missing_ok=True)
            if state.kind == LINK:
                os.symlink(os.fsdecode(state.content), new)
            else:
                _write(new, state)
            if state.owner != _owner(new):
                os.chown(new, *state.owner, follow_symlinks=False)
            os.rename(new, real)
        _sync_folder(real.parent)

    def tidy(self, path: str) -> None:
        """Remove the temporary file of an interrupted write of ``path``."""
        with suppress(NotADirectoryError):
            self._new(path).unlink(missing_ok=True)

    def make_folder(self, path: str) -> None:
        """Make a folder, if it is not there."""
        self.real(path).mkdir(mode=0o755, exist_ok=True)

    def remove_folder(self, path: str) -> bool:
        """Remove a folder if it is empty; return whether it is gone.

        Raises:
            OSError: it cannot be removed though it is empty.

        """
        with suppress(FileNotFoundError):
            try:
                self.real(path).rmdir()
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                return False
        return True

    def _new(self, path: str) -> Path:
        real = self.real(path)
        return real.with_name(f".{real.name}.minidns-new")


def own(content: bytes, mode: int = 0o644) -> State:
    """Return the state of a file that this process writes."""
    return State(FILE, content, mode, (os.geteuid(), os.getegid()))


def _write(path: Path, state: State) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with open(os.open(path, flags, 0o600), "wb") as file:
        file.write(state.content)
        os.fchmod(file.fileno(), state.mode)
        file.flush()
        os.fsync(file.fileno())


def _owner(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_uid, status.st_gid


def _sync_folder(folder: Path) -> None:
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def run(argv: Sequence[str]) -> None:
    """Run a program to its end.

    Raises:
        CommandFailed: it is not installed, takes too long, or failed.

    """
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_RUN_S,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError as error:
        raise CommandFailed(f"{argv[0]}: not installed") from error
    except OSError as error:
        raise CommandFailed(f"cannot run {describe(error)}") from error
    except subprocess.TimeoutExpired as error:
        late = f"{' '.join(argv)}: still running after {_RUN_S:.0f} s, so it was ended"
        raise CommandFailed(late) from error
    if done.returncode:
        output = " ".join((done.stderr or done.stdout).split())[:300]
        raise CommandFailed(f"{' '.join(argv)}: status {done.returncode}: {output}")
