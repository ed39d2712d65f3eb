"""A file that a plugin reads again from time to time, to follow its changes."""

from collections.abc import Awaitable, Callable

from minidns.plugins.site import Site


class WatchedFile:
    """A text file and a fingerprint of the text that is in use."""

    def __init__(self, path: str, site: Site) -> None:
        self.path = path
        self._edges = site.edges
        self._fingerprint: tuple[int, int] | None = None
        """Length and hash of the accepted text; None before the first one."""

    def read(self) -> str | None:
        """Return the text; None if it is the one that was accepted last.

        Raises:
            OSError: the file cannot be read.

        """
        text = self._edges.files.read(self.path)
        return None if _fingerprint(text) == self._fingerprint else text

    def accept(self, text: str) -> None:
        """Note that ``text`` is in use."""
        self._fingerprint = _fingerprint(text)

    async def watch(
        self,
        interval_s: float,
        reload: Callable[[], Awaitable[None]],
        report: Callable[[OSError | ValueError], None],
    ) -> None:
        """Call ``reload`` every ``interval_s`` seconds; ``report`` gets its errors."""
        while True:
            await self._edges.sleep(interval_s)
            try:
                await reload()
            except (OSError, ValueError) as error:
                report(error)


def _fingerprint(text: str) -> tuple[int, int]:
    return len(text), hash(text)
