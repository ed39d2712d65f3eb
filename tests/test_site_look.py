"""Every page of the site in Chromium, on a desk and on a phone: nothing is cut off.

The site is built by the mkdocs of ``make docs``; without it, or without Chromium, this is
skipped.
"""

import subprocess
from pathlib import Path

import pytest

from tests.chromium import PROGRAM, chromium

ROOT = Path(__file__).parent.parent
MKDOCS = ROOT / "build/docs/bin/mkdocs"
WIDTHS = (1280, 390)
TEXT = ".rst-content :is(h1, h2, h3, p, li, td, th, a, code, pre), .wy-menu-vertical li a"
CUT_OFF = """
(() => {
  const wide = innerWidth, found = [];
  if (document.documentElement.scrollWidth > wide) found.push('the page is ' + document.documentElement.scrollWidth);
  for (const each of document.querySelectorAll('.rst-content :is(table, td, img, h1, h2, h3, p, li)')) {
    const box = each.getBoundingClientRect();
    const moves = each.closest('p') && getComputedStyle(each.closest('p')).overflowX === 'auto';
    if (box.right > wide + 1 && box.width && !moves) found.push(each.tagName + ' ends at ' + Math.round(box.right) + ': '
      + each.textContent.slice(0, 40));
  }
  return found.slice(0, 5);
})()
"""
"""What ends to the right of the window: code and pictures may be moved, text and tables may not."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(500),
    pytest.mark.skipif(not PROGRAM, reason="chromium is missing"),
    pytest.mark.skipif(not MKDOCS.exists(), reason="mkdocs is missing: make docs"),
]


def _built(to: Path) -> Path:
    words = [str(MKDOCS), "build", "--strict", "--site-dir", str(to)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return to


async def test_no_page_cuts_anything_off(tmp_path: Path) -> None:
    site = _built(tmp_path / "site")
    wrong = []
    async with chromium(tmp_path / "profile") as page:
        for width in WIDTHS:
            await page.look(width)
            for file in sorted(site.rglob("*.html")):
                await page.open(f"file://{file}")
                if found := await page.value(CUT_OFF):
                    wrong.append(f"{file.relative_to(site)} at {width}: {'; '.join(found)}")
        for dark in (False, True):
            await page.look(WIDTHS[0], dark=dark)
            for name in ("index.html", "cli.html", "incidents/index.html", "lessons/09-rare-fault.html"):
                await page.open(f"file://{site / name}")
                wrong += [f"{name}, dark: {dark}: {poor}" for poor in await page.poor_contrast(TEXT)]
        foreign = [url for url in page.requests if not url.startswith(("file:", "data:"))]
    assert not wrong, "\n".join(wrong)
    assert not foreign
