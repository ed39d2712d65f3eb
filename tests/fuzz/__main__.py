"""``python -m tests.fuzz``: every target for so many seconds, with atheris if there."""

import argparse
import importlib
import importlib.util
import logging
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

from tests.fuzz.mutate import fuzz


def main() -> int:
    """Fuzz; return 1 when a target failed."""
    parser = argparse.ArgumentParser("tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", help="(all)")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("--plain", action="store_true", help="without atheris")
    parser.add_argument("--seed", type=int, default=1, help="of the plain one")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    logging.disable()  # what plugins warn of in a Corefile of any content
    if args.inside:
        _with_atheris(args.targets[0], args.seconds)
    guided = not args.plain and importlib.util.find_spec("atheris") is not None
    targets = importlib.import_module("tests.fuzz.targets").TARGETS
    failed = [
        name
        for name in args.targets or targets
        if not (_guided(name, args.seconds) if guided else _plain(name, args.seconds, args.seed))
    ]
    print(f"failed: {', '.join(failed)}" if failed else "no target failed")
    return 1 if failed else 0


def _plain(name: str, seconds: int, seed: int) -> bool:
    targets = importlib.import_module("tests.fuzz.targets").TARGETS
    report = fuzz(targets[name], seconds, seed)
    print(f"{name}: {report.runs} runs, {len(report.faults)} faults, slowest {report.slowest_s * 1000:.1f} ms")
    for fault in report.faults[:5]:
        print(f"{fault.data!r}:")
        traceback.print_exception(fault.error)
    return not report.faults


def _guided(name: str, seconds: int) -> bool:
    """Fuzz in a process of its own: atheris ends the one it runs in."""
    print(f"{name}:", flush=True)
    command = [sys.executable, "-m", "tests.fuzz", "--inside", name]
    done = subprocess.run([*command, "--seconds", str(seconds)], check=False)
    return done.returncode == 0


def _with_atheris(name: str, seconds: int) -> None:
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["minidns"]):
        target = importlib.import_module("tests.fuzz.targets").TARGETS[name]
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(target.seeds()):
            (Path(corpus) / str(number)).write_bytes(seed)
        arguments = (f"-max_total_time={seconds}", "-timeout=5", "-verbosity=0", "-artifact_prefix=fuzz-")
        atheris.Setup([sys.argv[0], *arguments, corpus], target.run)
        atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
