"""Takes the pictures of docs/howto/web.md: ``python -m tests.sim.web.pictures [NAME ...]``."""

import asyncio
import json
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from tests.chromium import Page, chromium
from tests.sim.web.page import TOKEN, served

FOLDER = Path(__file__).parents[3] / "docs" / "pictures"
SERVFAIL = "servfail at kube-dns"


class Picture(NamedTuple):
    """A picture of the page."""

    file: str
    width: int
    is_dark: bool
    path: str
    """Path and query of the page, without the token."""
    act: Callable[[Page], Awaitable[object]]
    """Brings the page to what the picture shows."""


def steps(count: int = -1) -> Callable[[Page], Awaitable[object]]:
    """Go on by some steps of the walk; -1 shows all."""

    async def act(page: Page) -> None:
        await click(page, "[data-do=end]")
        if count >= 0:
            await page.value(
                f"(document.querySelector('#place').value = {count}, document.querySelector('#place').dispatchEvent(new Event('input')))"
            )

    return act


async def click(page: Page, selector: str) -> None:
    """Click an element."""
    await page.value(f"document.querySelector({json.dumps(selector)}).click()")


async def show(page: Page, selector: str) -> None:
    """Scroll to an element."""
    await page.value(f"document.querySelector({json.dumps(selector)}).scrollIntoView({{ block: 'end' }})")


async def stream(page: Page) -> None:
    """Look names up with a fault at a rate, until the list is full."""
    form = "document.querySelector('#own-fault')"
    await page.value(f"({form}.elements.words.value = 'servfail 1/10 at kube-dns', {form}.requestSubmit())")
    await page.until("document.querySelector('#active').textContent.includes('servfail')")
    await click(page, "#burst")
    await page.until("document.querySelectorAll('#stream tbody tr').length > 300")
    await click(page, "[data-do=end]")
    await show(page, "#stream")


async def lesson(page: Page) -> None:
    """Run the first command of a lesson and answer its question."""
    await page.until("document.querySelector('#lesson [data-run]')")
    await click(page, "#lesson [data-run]")
    await page.until("document.querySelector('#walk .lane')")
    await click(page, "[data-do=end]")
    question = "document.querySelector('.question')"
    await page.value(f"({question}.elements.text.value = '8', {question}.requestSubmit())")
    await page.until(f"{question}.querySelector('.told')")


async def trial(page: Page) -> None:
    """Find a planted cause."""
    await page.value("document.querySelector('#trial').elements.plant.value = 'one-replica'")
    await page.value("document.querySelector('#trial').requestSubmit()")
    await page.until("document.querySelector('#verdict').textContent.includes('Planted')")
    await click(page, "[data-do=end]")
    await show(page, "#odds")


CART = "/walk?pod=shop/cart&name=web"
PICTURES = [
    Picture("web-walk.png", 1280, False, CART, steps()),
    Picture("web-walk-dark.png", 1280, True, "/walk?pod=shop/alpine&name=google.com", steps(40)),
    Picture("web-phone.png", 390, False, CART, steps()),
    Picture("web-phone-dark.png", 390, True, "/walk?pod=shop/cart&name=wbe", steps(20)),
    Picture("web-fault.webp", 1280, False, f"{CART}&fault={SERVFAIL}", steps()),
    Picture("web-stream-dark.webp", 1280, True, CART, stream),
    Picture("web-lesson.webp", 1280, False, "/?lesson=en/2", lesson),
    Picture("web-trial-dark.webp", 1280, True, CART, trial),
]  # fmt: skip


async def main(names: list[str]) -> None:
    """Take the pictures with these names, or all of them."""
    FOLDER.mkdir(exist_ok=True)
    for picture in PICTURES:
        if names and picture.file.rpartition(".")[0] not in names:
            continue
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            async with served() as base, chromium(Path(folder)) as page:
                await page.look(picture.width, dark=picture.is_dark)
                await page.open(f"{base}{picture.path}&token={TOKEN}")
                await page.until("document.querySelector('#connection').textContent")
                await picture.act(page)
                await page.value("new Promise((done) => setTimeout(done, 300))")
                await page.picture(FOLDER / picture.file)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
