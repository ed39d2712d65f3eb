"""Debian's chromium without a window: pages and pictures as a browser shows them."""

import shutil
import subprocess
from pathlib import Path

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or ""


def run(*words: str) -> str:
    """Return the standard output of chromium with these words."""
    flags = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=3000")
    done = subprocess.run([PROGRAM, *flags, *words], capture_output=True, text=True, timeout=50, check=False)
    return done.stdout


def picture(url: str, to: Path, width: int, height: int, *, dark: bool = False) -> None:
    """Write how ``url`` looks to the PNG file ``to``."""
    theme = ("--force-dark-mode", "--blink-settings=preferredColorScheme=0") if dark else ()
    run(*theme, f"--window-size={width},{height}", f"--screenshot={to}", url)
