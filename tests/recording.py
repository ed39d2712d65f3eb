"""The recording of the README, docs/recording.svg: ``python -m tests.recording``.

It runs the commands below on a simulated cluster, and makes an animated SVG of what they
print: nothing is typed by hand, and whoever looks at it needs no program but a browser.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import NamedTuple

BIN = Path(sys.executable).parent
PICTURE = Path(__file__).parents[1] / "docs/recording.svg"
COLUMNS, ROWS = 110, 20
CHARACTER, LINE = 7.8, 18
SECONDS = 20.0
"""Length of the animation, which begins again at its end."""
TYPING_S, PAUSE_S = 1.2, 0.5
"""Seconds from a prompt to the command's output, and between lines of output at most."""
STYLE = """\
text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#e6edf3;white-space:pre}
.p{fill:#5fd38a;font-weight:600}.c{fill:#9aa7b2}
g.s{opacity:0}"""


class Scene(NamedTuple):
    """A command, what is said about it, and the most lines of its output."""

    comment: str
    command: str
    most: int = ROWS - 3


SCENES = (
    Scene(
        "a pod looks a short name up: which queries does its C library send?",
        "minidns-sim exec --queries app -- getent ahosts kubernetes.default",
    ),
    Scene(
        "why is this name not found? the rule, and what is close to it",
        "minidns why kubernets.default.svc.cluster.local",
        8,
    ),
    Scene(
        "plant a cause of rare failures, and find it by a controlled experiment",
        "minidns-sim trial --plant one-replica --rate 1/100",
        17,
    ),
)


class Screen(NamedTuple):
    """The lines that a scene leaves, each with its class and the second it appears at."""

    start: float
    end: float
    lines: tuple[tuple[float, str, str], ...]


def played() -> list[tuple[Scene, list[str]]]:
    """Run the commands on a simulated cluster; return the lines that each printed."""
    with tempfile.TemporaryDirectory() as folder:
        up = subprocess.Popen([BIN / "minidns-sim", "up", "--state", folder], stdout=subprocess.PIPE, text=True)
        assert up.stdout is not None
        try:
            told = []
            for line in up.stdout:
                told.append(line)
                if "Ctrl-C" in line:
                    break
            server = next(line.split()[-1] for line in told if "minidns why" in line)
            return [(scene, _output(scene.command, folder, server)) for scene in SCENES]
        finally:
            up.terminate()
            up.wait()


def _output(command: str, folder: str, server: str) -> list[str]:
    program, verb, *words = command.split()
    where = {"exec": ["--state", folder], "why": ["--server", server]}.get(verb, [])
    done = subprocess.run(
        [BIN / program, verb, *where, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return done.stdout.replace(folder, "~").splitlines()


def fitting(line: str) -> str:
    """Return as many whole columns of a line of a table as fit into the window."""
    if len(line) <= COLUMNS:
        return line
    return line[: line.rindex("  ", 0, COLUMNS - 1)].rstrip() + "  ..."


def screens(runs: list[tuple[Scene, list[str]]]) -> Iterator[Screen]:
    """Yield the screens; every scene has an equal share of the time."""
    share = SECONDS / len(runs)
    for number, (scene, output) in enumerate(runs):
        start = number * share
        shown = [fitting(line) for line in output[: scene.most]]
        shown += ["..."] if len(output) > scene.most else []
        begin = start + TYPING_S
        step = min(PAUSE_S, (share - TYPING_S) / 3 / max(1, len(shown)))
        lines = [(start, "c", f"# {scene.comment}"), (start + 0.3, "p", f"$ {scene.command}")]
        lines += [(begin + step * at, "", line) for at, line in enumerate(shown)]
        yield Screen(start, start + share, tuple(lines))


def drawn(runs: list[tuple[Scene, list[str]]]) -> str:
    """Return the animated SVG; without animation it shows the last scene."""
    width, height = round(COLUMNS * CHARACTER + 40), ROWS * LINE + 50
    rules, parts = [STYLE], list[str]()
    made = list(screens(runs))
    for number, screen in enumerate(made):
        for row, (at, kind, text) in enumerate(screen.lines):
            name = f"l{number}-{row}"
            on, off = 100 * at / SECONDS, 100 * screen.end / SECONDS
            rules.append(
                f"@keyframes {name}{{0%,{max(0, on - 0.01):.2f}%{{opacity:0}}{on:.2f}%,{off - 0.02:.2f}%{{opacity:1}}"
                f"{off - 0.01:.2f}%,100%{{opacity:0}}}}#{name}{{animation:{name} {SECONDS:g}s infinite}}"
            )
            place = f'x="20" y="{50 + LINE * row}"'
            parts.append(f'<g class="s" id="{name}"><text class="{kind}" {place}>{escape(text)}</text></g>')
    last = len(made) - 1
    still = ",".join(f"#l{last}-{row}" for row in range(len(made[last].lines)))
    rules.append(f"@media(prefers-reduced-motion){{g.s{{animation:none!important}}{still}{{opacity:1}}}}")
    title = "; ".join(scene.command for scene, _ in runs)
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-labelledby="title">',
        f'<title id="title">A recording of three commands: {escape(title)}</title>',
        f"<style>{chr(10).join(rules)}</style>",
        f'<rect width="{width}" height="{height}" rx="8" fill="#161b22"/>',
        *(f'<circle cx="{24 + 18 * n}" cy="20" r="5" fill="#444c56"/>' for n in range(3)),
    ]
    return "\n".join([*head, *parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    PICTURE.write_text(drawn(played()))
    print(f"wrote {PICTURE}", file=sys.stderr)
