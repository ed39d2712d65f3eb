"""Reads regular files and /dev/null, with a limit on the size, without blocking.

Opening a named pipe without a writer blocks, reading a device may never end, and
neither ends at SIGTERM. So every file that a Corefile, a kubeconfig or the command line
names is checked before it is opened, and again when it is open.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

MAX_BYTES = 10 << 20
"""Maximum size of a file; a Corefile, hosts, zone or credentials file is smaller."""

_KINDS = {
    stat.S_IFIFO: "named pipe",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
}
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


def read(path: str) -> bytes:
    """Return the content of the regular file at ``path``; links are followed.

    Raises:
        OSError: it cannot be read, is not a regular file (EINVAL, EISDIR), or is
            larger than MAX_BYTES (EFBIG).

    """
    _checked(path)
    with open(os.open(path, _FLAGS), "rb") as file:
        _check(os.fstat(file.fileno()), path)  # it may have been replaced
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:  # files in /proc have no size
        raise _too_large(path)
    return content


def require_regular(path: str) -> None:
    """Check a file that a library is about to open by its path.

    Files of the kernel are refused, too: some block a reader, as /proc/kmsg does, and
    a library does not open them with O_NONBLOCK as ``read`` does.

    Raises:
        OSError: as for ``read``, and EINVAL for a file of the kernel.

    """
    status = _checked(path)
    if any(status.st_dev == device for device in _kernel_devices()):
        raise OSError(errno.EINVAL, "is a file of the kernel, not of a disk", path)


def _checked(path: str) -> os.stat_result:
    if "\0" in path:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
    status = os.stat(path)
    _check(status, path)
    return status


def _kernel_devices() -> Iterator[int]:
    """Yield the devices of the file systems that the kernel makes (proc(5), sysfs(5)).

    A system without them has plain folders there, or none.
    """
    root = os.stat("/").st_dev
    for folder in ("/proc", "/sys"):
        with contextlib.suppress(OSError):
            device = os.stat(folder).st_dev
            if device != root:
                yield device


def _check(status: os.stat_result, path: str) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not stat.S_ISREG(status.st_mode) and not _is_null_device(status):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "special file")
        raise OSError(errno.EINVAL, f"is a {kind}, not a regular file", path)
    if status.st_size > MAX_BYTES:
        raise _too_large(path)


def _is_null_device(status: os.stat_result) -> bool:
    """Return whether this is /dev/null, which users specify for an empty file."""
    if not stat.S_ISCHR(status.st_mode):
        return False
    try:
        return status.st_rdev == os.stat(os.devnull).st_rdev
    except OSError:
        return False


def _too_large(path: str) -> OSError:
    reason = f"file is larger than {MAX_BYTES >> 20} MiB"
    return OSError(errno.EFBIG, reason, path)
