"""Takes the pictures of docs/howto/web.md: ``python -m tests.sim.web.pictures``."""

import asyncio
import tempfile
from pathlib import Path

from tests.chromium import chromium
from tests.sim.web.page import TOKEN, served

FOLDER = Path(__file__).parents[3] / "docs" / "pictures"
PICTURES = [
    # file, width, dark, what is asked, steps to go on; -1 for all
    ("web-walk.png", 1280, False, "pod=shop/cart&name=web", -1),
    ("web-walk-dark.png", 1280, True, "pod=shop/alpine&name=google.com", 40),
    ("web-phone.png", 390, False, "pod=shop/cart&name=web", -1),
    ("web-phone-dark.png", 390, True, "pod=shop/cart&name=wbe", 20),
]  # fmt: skip


async def main() -> None:
    """Take all pictures."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        async with served() as base, chromium(Path(folder)) as page:
            for file, width, dark, query, steps in PICTURES:
                await page.look(width, dark=dark)
                await page.open(f"{base}/walk?token={TOKEN}&{query}")
                await page.until("document.querySelector('#connection').textContent")
                await page.value("document.querySelector('[data-do=end]').click()")
                if steps >= 0:
                    await page.value(
                        f"(document.querySelector('#place').value = {steps}, document.querySelector('#place').dispatchEvent(new Event('input')))"
                    )
                await page.value("new Promise((done) => setTimeout(done, 300))")
                await page.picture(FOLDER / file)


if __name__ == "__main__":
    asyncio.run(main())
