"""A ListWatch that remembers being refused (RBAC)."""

import asyncio
from collections.abc import AsyncIterator

from minidns.kubernetes.resources import ApiError, ListWatch, Page, WatchEvent

_FORBIDDEN = 403


class Refusable:
    """Passes everything on; knows whether the last list was forbidden."""

    def __init__(self, inner: ListWatch) -> None:
        self.refusal = ""
        """What the API server said; empty when it lets us list."""
        self.refused = asyncio.Event()
        """Set if it says so before it ever let us list."""
        self._listed = False
        self._inner = inner

    async def page(self, token: str, version: str | None) -> Page:
        """Return a page; see ``ListWatch``."""
        try:
            page = await self._inner.page(token, version)
        except ApiError as error:
            if error.status == _FORBIDDEN:
                self.refusal = str(error)
                if not self._listed:
                    self.refused.set()
            raise
        self.refusal, self._listed = "", True
        return page

    def watch(
        self, version: str, *, initial: bool = False
    ) -> AsyncIterator[WatchEvent]:
        """Yield changes; see ``ListWatch``."""
        return self._inner.watch(version, initial=initial)
