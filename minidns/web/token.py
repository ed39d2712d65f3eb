"""The token in the URL of the page, which stays the same from run to run.

So a page that is open while the server restarts can connect again. Only the user can
read the file; one that others could read or write is replaced.
"""

import os
import re
import secrets
import stat
from pathlib import Path

_NAME = "web.token"
_FORM = re.compile(r"[\w-]{32,64}")


def state_folder(program: str) -> Path:
    """Return the folder of a program's state, below XDG_STATE_HOME."""
    home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(home).expanduser() / program


def kept(folder: Path) -> str:
    """Return the token that is kept in ``folder``; the first time it is drawn.

    Raises:
        OSError: the file cannot be written.

    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / _NAME
    if (known := _read(path)) is not None:
        return known
    token = secrets.token_urlsafe()
    path.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(os.open(path, flags, 0o600), "w") as file:
        file.write(token)
    return token


def _read(path: Path) -> str | None:
    """Return the token in a file that nobody else could have read or written."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW)) as file:
            status = os.fstat(file.fileno())
            text = file.read(100)
    except (OSError, UnicodeDecodeError):
        return None
    is_ours = status.st_uid == os.getuid() and not stat.S_IMODE(status.st_mode) & 0o077
    return text if is_ours and _FORM.fullmatch(text) else None
