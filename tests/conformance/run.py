"""Runs the cases against any DNS server, in a network namespace of its own.

usage: unshare -n python -m tests.conformance.run [--only PREFIX] [--json FILE]
       [--server 'COMMAND'] [-v]

COMMAND (minidns when left out) is started as ``COMMAND -conf FILE`` for each set of
options; this needs root, ``ip`` and a namespace whose loopback may be changed.
"""

import argparse
import asyncio
import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.conformance.cases import Case, Setting, cases, differences, wire
from tests.conformance.dynamic import SEQUENCES, Disagreement
from tests.conformance.sockets import ask_tcp, ask_udp
from tests.conformance.stand import LISTED, UNLISTED, NotStarted, Server, Stand, addressed


async def check(case: Case, server: Server) -> list[str]:
    """Return how the server's answer to ``case`` differs."""
    sent = wire(case)
    if case.transport == "tcp":
        got = await ask_tcp(server.port, sent, case.repeat, transfers=case.transfers)
    else:
        got = await ask_udp(server.port, sent)
    return differences(case, sent, got)


async def run_setting(stand: Stand, setting: Setting, chosen: list[Case]) -> dict[str, list[str]]:
    """Return the differences of the cases of one setting."""
    async with addressed(UNLISTED if setting.unlisted else LISTED):
        try:
            async with stand.server(setting) as server:
                return {case.id: await check(case, server) for case in chosen}
        except NotStarted as error:
            return {case.id: [f"not started: {error}"] for case in chosen}


async def run_sequence(stand: Stand, name: str) -> list[str]:
    """Return how a sequence differs."""
    try:
        await SEQUENCES[name](stand)
    except (Disagreement, NotStarted) as error:
        return [str(error)]
    return []


async def run(command: list[str], only: str, work: Path) -> dict[str, list[str]]:
    """Return the differences of every case and sequence whose id begins with ``only``."""
    chosen = [case for case in cases() if case.id.startswith(only)]
    found: dict[str, list[str]] = {}
    async with Stand(command, work).running() as stand:
        for setting in dict.fromkeys(case.setting for case in chosen):
            mine = [case for case in chosen if case.setting == setting]
            found |= await run_setting(stand, setting, mine)
        for name in SEQUENCES:
            if name.startswith(only):
                found[name] = await run_sequence(stand, name)
    return found


def main() -> int:
    """Run what the command line says; return 1 when anything differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default=f"{sys.executable} -m minidns")
    parser.add_argument("--only", default="")
    parser.add_argument("--json", default="")
    parser.add_argument("-v", action="store_true", dest="verbose")
    options = parser.parse_args()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.TemporaryDirectory() as work:
        command = shlex.split(options.server)
        found = asyncio.run(run(command, options.only, Path(work)))
    for name, differs in found.items():
        if differs or options.verbose:
            print("differs" if differs else "agrees ", name, "; ".join(differs))
    bad = sum(map(bool, found.values()))
    print(f"cases {len(found)}, agree {len(found) - bad}, differ {bad}")
    if options.json:
        Path(options.json).write_text(json.dumps(found, indent=1))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
