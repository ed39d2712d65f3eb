"""A recorded session of kubectl at a real API server, to compare with the simulated one.

`kubectl-session.txt` has 47 commands that users of a cluster type, played in one
namespace, in order. Each line begins with what it is: `$` a command, `<` its standard
input, `|` the output of the real server, `=` the exit status. Where the simulation says
something else, `!` has the reason and `:` its output. Output is normalised: `steady`.

`python -m tests.sim.api.kubectl_session KUBECONFIG` records the real server anew, with
the kubectl on the PATH, and keeps the reasons.
"""

import asyncio
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

FILE = Path(__file__).with_name("kubectl-session.txt")
TIMEOUT_S = 120
_STEADY = (
    (r"(?m)^(Client Version|Kustomize Version|Waiting for|(?i:Warning): version difference).*\n?", ""),
    (r"\b(web|db)-(?:[a-z0-9]{8,10}-)[a-z0-9]{5}\b", r"\1-HASH-XXXXX"),
    (r"\b(web|db)-[a-z0-9]{8,10}\b", r"\1-HASH"),
    (r"\b(web|db|ext)-[a-z0-9]{5}\b", r"\1-XXXXX"),
    (r"\b10\.244\.\d+\.\d+", "POD-IP"),
    (r"\b10\.96\.(?!0\.0|0\.1\b|200\.200)\d+\.\d+", "CLUSTER-IP"),
    (r"\b(rc-control-plane|node-1)\b", "NODE"),
    (r"(?m)(?<![\w.=-])\d+[smhd](?:\d+[smh])?(?=[ )]|$)", "AGE"),
    (r"/tmp/(LIVE|MERGED)-\d+", r"\1"),
    (r"(?m)^(---|\+\+\+) (\S+).*$", r"\1 \2"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
    (r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "UID"),
    (r'resourceVersion: "\d+"', "resourceVersion: N"),
    (r"[ \t]+", " "),
    (r"(?m) $", ""),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One command, with what the real server said."""

    command: str
    text: str
    """The standard input."""
    output: str
    """Standard output and error, normalised."""
    status: int
    reason: str = ""
    """Why the simulation says something else; empty if it says the same."""
    ours: str = ""

    @property
    def expected(self) -> str:
        """The output of the simulation."""
        return self.ours if self.reason else self.output


def steady(output: str) -> str:
    """Return output without what differs from run to run: ages, addresses, suffixes."""
    for pattern, text in _STEADY:
        output = re.sub(pattern, text, output)
    return output.strip("\n") + "\n" if output.strip() else ""


def entries(text: str) -> Iterator[Entry]:
    """Yield the entries of a session file."""
    for part in re.split(r"(?m)^(?=\$ )", text)[1:]:
        lines: dict[str, list[str]] = {}
        for line in part.splitlines():
            lines.setdefault(line[:1], []).append(line[2:])
        texts = {mark: "".join(f"{line}\n" for line in of) for mark, of in lines.items()}
        yield Entry(
            lines["$"][0],
            texts.get("<", ""),
            texts.get("|", ""),
            int(lines.get("=", ["0"])[0]),
            " ".join(lines.get("!", [])),
            texts.get(":", ""),
        )


def written(entries_: list[Entry]) -> str:
    """Return the text of a session file."""
    lines = []
    for entry in entries_:
        lines.append(f"$ {entry.command}")
        for mark, text in (("<", entry.text), ("|", entry.output)):
            lines += [f"{mark} {line}" for line in text.splitlines()]
        lines.append(f"= {entry.status}")
        if entry.reason:
            lines += [f"! {entry.reason}", *(f": {line}" for line in entry.ours.splitlines())]
        lines.append("")
    return "\n".join(lines)


async def played(entry: Entry, env: dict[str, str]) -> tuple[int, str]:
    """Run a command; return its exit status and its output, normalised."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *shlex.split(entry.command), env=env, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(TIMEOUT_S):
        output, _ = await process.communicate(entry.text.encode())
    return process.returncode or 0, steady(output.decode())


async def _record(kubeconfig: str, path: str, home: str) -> None:
    env = {"KUBECONFIG": kubeconfig, "PATH": path, "HOME": home}
    recorded = []
    for entry in entries(FILE.read_text()):
        status, output = await played(entry, env)
        recorded.append(replace(entry, status=status, output=output))
    FILE.write_text(written(recorded))


if __name__ == "__main__":
    import os

    asyncio.run(_record(sys.argv[1], os.environ["PATH"], os.environ["HOME"]))
