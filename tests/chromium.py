"""A headless Chromium, driven by its DevTools protocol over a WebSocket.

It has no dependency beside aiohttp. Tests that need it are skipped where it is missing.
"""

import asyncio
import base64
import json
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
DEADLINE_S = 30.0
_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-dev-shm-usage", "--remote-debugging-port=0", "--hide-scrollbars", "about:blank",
)  # fmt: skip


_CONTRAST = """(() => {
  const lights = (text) => { const c = text.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255)
    .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2]; };
  const ground = (part) => { for (let p = part; p; p = p.parentElement) { const c = getComputedStyle(p).backgroundColor;
    if (!c.endsWith(', 0)')) return c; } return getComputedStyle(document.body).backgroundColor; };
  const poor = [];
  for (const part of document.querySelectorAll('%s')) {
    if (!part.textContent.trim() || part.closest('.later') || !part.checkVisibility()) continue;
    const [a, b] = [lights(getComputedStyle(part).color), lights(ground(part))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) poor.push(`${part.tagName}.${part.className}: ${ratio.toFixed(2)}`);
  }
  return [...new Set(poor)];
})()"""


@dataclass
class Page:
    """A tab: what it is told, what is asked of it, what it reports."""

    socket: ClientWebSocketResponse
    errors: list[str] = field(default_factory=list)
    """Exceptions of scripts, and what the console reports as an error."""
    requests: list[str] = field(default_factory=list)
    """The URLs that it has requested."""
    loaded: asyncio.Event = field(default_factory=asyncio.Event)
    _ids: Any = field(default_factory=count)
    _waiting: dict[int, "asyncio.Future[dict[str, Any]]"] = field(default_factory=dict)

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol; return its result."""
        number = next(self._ids)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        await self.socket.send_json({"id": number, "method": method, "params": parameters})
        async with asyncio.timeout(DEADLINE_S):
            reply = await self._waiting[number]
        assert "error" not in reply, reply
        result: dict[str, Any] = reply["result"]
        return result

    async def read(self) -> None:
        """Take what the tab reports, until the socket closes."""
        async for message in self.socket:
            if message.type is not WSMsgType.TEXT:
                continue
            document = json.loads(message.data)
            parameters = document.get("params", {})
            if "id" in document:
                self._waiting.pop(document["id"]).set_result(document)
            elif document["method"] == "Page.loadEventFired":
                self.loaded.set()
            elif document["method"] == "Runtime.exceptionThrown":
                self.errors.append(str(parameters["exceptionDetails"]))
            elif document["method"] == "Log.entryAdded" and parameters["entry"]["level"] == "error":
                self.errors.append(parameters["entry"]["text"])
            elif document["method"] == "Network.requestWillBeSent":
                self.requests.append(parameters["request"]["url"])

    async def open(self, url: str) -> None:
        """Open a page and wait until it is loaded."""
        self.loaded.clear()
        await self.call("Page.navigate", url=url)
        async with asyncio.timeout(DEADLINE_S):
            await self.loaded.wait()

    async def value(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        result = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def until(self, expression: str) -> Any:
        """Wait until an expression is true, at the frames of the page; return its value."""
        return await self.value(
            f"new Promise((done, fail) => {{ const end = performance.now() + {DEADLINE_S * 900};"
            f" const look = () => {{ const value = {expression}; if (value) return done(value);"
            f" if (performance.now() > end) return fail(new Error({json.dumps('never: ' + expression)}));"
            " setTimeout(look, 20) }; look() })"
        )

    async def press(self, key: str) -> None:
        """Press and release a key, by its name."""
        text = {"Enter": "\r", "Space": " "}.get(key, key if len(key) == 1 else "")
        name = " " if key == "Space" else key
        codes = {"Tab": 9, "Enter": 13, "Space": 32, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowRight": 39}
        common = {"key": name, "code": key, "windowsVirtualKeyCode": codes.get(key, 0)}
        await self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    async def write(self, text: str) -> None:
        """Type text into what has the focus."""
        await self.call("Input.insertText", text=text)

    async def look(self, width: int, *, dark: bool = False, scripts: bool = True) -> None:
        """Set the width of the window in pixels, the colours, and whether scripts run."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])
        await self.call("Emulation.setScriptExecutionDisabled", value=not scripts)

    async def poor_contrast(self, selector: str) -> list[str]:
        """Return the elements whose text is less legible than WCAG 2.2 wants (4.5 to 1)."""
        return list(await self.value(_CONTRAST.replace("%s", selector)))

    async def picture(self, path: Path, *, whole: bool = False) -> None:
        """Write a picture of the window, or of the whole page, in the format of the file's suffix."""
        form = {"format": "webp", "quality": 80} if path.suffix == ".webp" else {"format": "png"}
        picture = await self.call("Page.captureScreenshot", captureBeyondViewport=whole, **form)
        path.write_bytes(base64.b64decode(picture["data"]))


@asynccontextmanager
async def chromium(folder: Path) -> AsyncIterator[Page]:
    """Run Chromium with its profile in ``folder``; yield its tab."""
    process = await asyncio.create_subprocess_exec(
        PROGRAM, *_FLAGS, f"--user-data-dir={folder}", stdout=DEVNULL, stderr=PIPE
    )  # fmt: skip
    try:
        assert process.stderr is not None
        async with asyncio.timeout(DEADLINE_S):
            async for line in process.stderr:
                if b"DevTools listening on" in line:
                    break
        port = line.decode().partition("127.0.0.1:")[2].partition("/")[0]
        drained = asyncio.create_task(process.stderr.read())
        async with ClientSession() as http:
            async with http.get(f"http://127.0.0.1:{port}/json/list") as reply:
                tabs = await reply.json()
            url = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
            async with http.ws_connect(url, max_msg_size=0) as socket:
                page = Page(socket)
                reading = asyncio.create_task(page.read())
                for domain in ("Page", "Runtime", "Log", "Network"):
                    await page.call(f"{domain}.enable")
                yield page
        await reading
        drained.cancel()
    finally:
        process.kill()
        await process.wait()
