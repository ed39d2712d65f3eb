"""How many random faults the tests find: ``python -m tests.mutants --seed 1 --count 100``.

A mutant is minidns with one operator, number, condition or returned value changed, or
one call left out, in a copy of the tree. It is killed if a test fails in one of the files
that import the changed module or are called after it, or else in those about a module that
imports it; the slow tests run only with ``--all``. Each mutant that survives is printed: it
is equivalent, or a test is missing.
"""

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
TIMEOUT_S = 600.0
PAIRS = (
    (ast.Eq, ast.NotEq), (ast.Lt, ast.LtE), (ast.Gt, ast.GtE), (ast.In, ast.NotIn), (ast.Is, ast.IsNot),
    (ast.And, ast.Or), (ast.Add, ast.Sub), (ast.Mult, ast.FloorDiv), (ast.BitAnd, ast.BitOr), (ast.LShift, ast.RShift),
)  # fmt: skip
SWAPS: dict[type[ast.AST], Any] = {a: b for pair in PAIRS for a, b in (pair, pair[::-1])}


class Mutant(NamedTuple):
    """A file with ``text`` in place of the bytes from ``start`` to ``end``."""

    path: str
    line: int
    start: int
    end: int
    text: str


def mutants(path: str, source: bytes) -> Iterator[Mutant]:
    """Yield every mutant of a module, less those of annotations, f-strings and log lines."""
    tree = ast.parse(source)
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        annotation = getattr(node, "annotation", None) or getattr(node, "returns", None)
        is_text = isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Call) and _is_log(node.func))
        for part in (annotation, node if is_text else None):
            skipped.update(ast.walk(part) if part else ())
    for node in ast.walk(tree):
        changed = None if node in skipped else change(node)
        if changed is not None:
            old, text = changed
            start, end = starts[old.lineno - 1] + old.col_offset, starts[(old.end_lineno or 1) - 1]
            yield Mutant(path, old.lineno, start, end + (old.end_col_offset or 0), text)


def change(node: ast.AST) -> tuple[ast.expr | ast.stmt, str] | None:
    """Return what is changed in a node, and the new text; None if nothing is."""
    match node:
        case ast.Compare(ops=[op]) if type(op) in SWAPS:
            return node, f"({ast.unparse(ast.Compare(node.left, [SWAPS[type(op)]()], node.comparators))})"
        case ast.BoolOp(op=op):
            return node, f"({ast.unparse(ast.BoolOp(SWAPS[type(op)](), node.values))})"
        case ast.BinOp(op=op) if type(op) in SWAPS:
            return node, f"({ast.unparse(ast.BinOp(node.left, SWAPS[type(op)](), node.right))})"
        case ast.UnaryOp(op=ast.Not()):
            return node, f"({ast.unparse(node.operand)})"
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test) if isinstance(
            test, ast.Name | ast.Attribute | ast.Call
        ):
            return test, f"(not {ast.unparse(test)})"
        case ast.Constant(value=bool(value)):
            return node, str(not value)
        case ast.Constant(value=int(number) | float(number)):
            return node, repr(number + 1)
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            return value, "None"
        case ast.Expr(value=ast.Call(func=func)) if not _is_log(func):
            return node, "pass"
    return None


def _is_log(func: ast.expr) -> bool:
    return ast.unparse(func).startswith("log.")


def imports(path: str) -> re.Pattern[str]:
    """Return what is found in a file that imports a module."""
    module = _without_ending(path).replace("/", ".")
    package, _, name = module.rpartition(".")
    return re.compile(rf"(from|import) {re.escape(module)}\b|from {re.escape(package)} import .*\b{name}\b")


def files_about(path: str) -> set[str]:
    """Return the files of tests that import a module or are called after it."""
    *_, package, name = _without_ending(path).split("/")
    files, named = (ROOT / "tests").rglob("test_*.py"), {f"test_{name}", f"test_{package}"}
    return {
        str(file.relative_to(ROOT)) for file in files
        if file.stem in named or file.stem.startswith(f"test_{name}_") or imports(path).search(file.read_text())
    }  # fmt: skip


def _without_ending(path: str) -> str:
    """Return the path of a module or package without its ending."""
    return path.removesuffix(".py").removesuffix("/__init__")


def files_about_users(path: str) -> set[str]:
    """Return the other files of tests about the modules that import a module."""
    files = (ROOT / "minidns").rglob("*.py")
    users = [str(file.relative_to(ROOT)) for file in files if imports(path).search(file.read_text())]
    return set[str]().union(*map(files_about, users)) - files_about(path)


def is_killed(mutant: Mutant, tree: Path, *options: str) -> bool:
    """Return whether a test fails, or does not end, in the tree with the mutant."""
    file = tree / mutant.path
    source = file.read_bytes()
    file.write_bytes(source[: mutant.start] + mutant.text.encode() + source[mutant.end :])
    try:
        return any(_fails(sorted(files(mutant.path)), tree, *options) for files in (files_about, files_about_users))
    finally:
        file.write_bytes(source)


def _fails(files: list[str], tree: Path, *options: str) -> bool:
    words = ("-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", *options, *files)
    env = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}  # two versions of a file may have one time
    if not files:
        return False
    try:
        done = subprocess.run([sys.executable, *words], cwd=tree, env=env, capture_output=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return True
    return done.returncode not in (0, 5)  # 5: there are no tests


def main() -> None:
    """Draw mutants, and print those that survive."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--all", action="store_true", help="run the slow tests, too")
    args = parser.parse_args()
    options = ("--hypothesis-profile=quick", *(() if args.all else ("-m", "not slow")))
    files = sorted((ROOT / "minidns").rglob("*.py"))
    every = [each for file in files for each in mutants(str(file.relative_to(ROOT)), file.read_bytes())]
    drawn = Random(args.seed).sample(every, min(args.count, len(every)))
    killed = 0
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", ".venv", "__pycache__", "build", "dist"))
        for number, mutant in enumerate(drawn, 1):
            if is_killed(mutant, tree, *options):
                killed += 1
            else:
                old = (ROOT / mutant.path).read_bytes()[mutant.start : mutant.end].decode()
                print(f"{mutant.path}:{mutant.line}: {old!r} -> {mutant.text!r} survives", flush=True)
            print(f"{killed} of {number} killed", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
