"""The machine whose resolver is changed: its files below a root, its programs.

The only module of split-dns that writes. Every write is whole: a new file beside the
old one, renamed over it; whatever ends the program, there is the old one or the new.
"""

import errno
import os
import stat
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeAlias

ABSENT, FILE, LINK = "absent", "file", "link"
_HOPS = 8
_RUN_S = 60.0


class State(NamedTuple):
    """What stands at a path."""

    kind: str = ABSENT
    content: bytes = b""
    """Of a file; of a link, where it leads."""
    mode: int = 0
    owner: tuple[int, int] = (0, 0)
    """User and group."""

    def is_like(self, other: "State") -> bool:
        """Return whether both have the same content; owner and mode may differ."""
        return self[:2] == other[:2]


class CommandFailed(Exception):
    """A program could not be run, or did not do what it was to do."""


Run: TypeAlias = Callable[[Sequence[str]], None]
"""Runs a program to its end; CommandFailed."""


class Machine:
    """Files and programs of the machine, or of one that is only a folder."""

    def __init__(self, root: Path, run: Run | None) -> None:
        """Take paths as below ``root``; without ``run`` no program is run."""
        self.root = root
        self.run = run

    def real(self, path: str) -> Path:
        """Return where ``path`` really is."""
        return self.root / path.lstrip("/")

    def state(self, path: str) -> State:
        """Return what stands at ``path``; links are not followed.

        Raises:
            OSError: it cannot be read, or is neither file nor link.

        """
        real = self.real(path)
        try:
            found = real.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return State()
        owner = found.st_uid, found.st_gid
        if stat.S_ISLNK(found.st_mode):
            return State(LINK, os.fsencode(os.readlink(real)), 0, owner)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(f"{path}: neither a file nor a link")
        return State(FILE, real.read_bytes(), stat.S_IMODE(found.st_mode), owner)

    def text(self, path: str) -> str:
        """Return the text behind ``path``, links followed below the root; or nothing.

        What we may not read is nothing, too.

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
        """Return whether anything stands at ``path``."""
        return os.path.lexists(self.real(path))

    def names(self, folder: str) -> list[str]:
        """Return the paths of the files in a folder, in order; none if it is none."""
        try:
            return sorted(f"{folder}/{name}" for name in os.listdir(self.real(folder)))
        except OSError:
            return []

    def may_write(self, path: str) -> bool:
        """Return whether we may write there, or make the folders on the way."""
        folder = self.real(path).parent
        while not folder.exists() and folder != self.root:
            folder = folder.parent
        return os.access(folder, os.W_OK | os.X_OK)

    def put(self, path: str, state: State) -> None:
        """Make ``path`` what ``state`` says, at once and lastingly."""
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
        """Remove what an interrupted write of ``path`` left beside it."""
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
    """Return a file of ours."""
    return State(FILE, content, mode, (os.geteuid(), os.getegid()))


def _write(path: Path, state: State) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with open(os.open(path, flags, 0o600), "wb") as file:
        file.write(state.content)
        os.fchmod(file.fileno(), state.mode)
        file.flush()
        os.fsync(file.fileno())


def _owner(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_uid, found.st_gid


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
        CommandFailed: it is not there, takes too long, or failed.

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
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandFailed(f"{argv[0]}: {error}") from error
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[:300]
        raise CommandFailed(f"{' '.join(argv)}: status {done.returncode}: {said}")
