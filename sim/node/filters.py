"""Small programs for scripts in a pod: they know nothing but words and their input."""

import re
from collections.abc import Callable, Sequence

from .container import Output


def _grep(words: Sequence[str], text: str) -> Output:
    """Filter lines: -v, -i, -c, -o, -q, -E, -F."""
    flags = "".join(word[1:] for word in words if word.startswith("-"))
    pattern = next((word for word in words if not word.startswith("-")), "")
    pattern = re.escape(pattern) if "F" in flags else pattern
    try:
        wanted = re.compile(pattern, re.IGNORECASE if "i" in flags else 0)
    except re.error as error:
        return Output(2, f"grep: {error}\n")
    lines = [
        line
        for line in text.splitlines()
        if bool(wanted.search(line)) != ("v" in flags)
    ]
    if "o" in flags:
        found = [match[0] for line in lines for match in wanted.finditer(line)]
    else:
        found = lines
    shown = [str(len(lines))] if "c" in flags else [] if "q" in flags else found
    return Output(int(not lines), _text(shown))


def _count_of(words: Sequence[str]) -> int:
    """Return the number of lines in ``-n N``, ``-nN`` or ``-N``, by default 10."""
    number = "".join(words).removeprefix("-n").removeprefix("-")
    return int(number) if number.isdecimal() else 10


def _head(words: Sequence[str], text: str) -> Output:
    return Output(0, _text(text.splitlines()[: _count_of(words)]))


def _tail(words: Sequence[str], text: str) -> Output:
    lines = text.splitlines()
    return Output(0, _text(lines[max(len(lines) - _count_of(words), 0) :]))


def _wc(words: Sequence[str], text: str) -> Output:
    counts = {"-l": text.count("\n"), "-w": len(text.split()), "-c": len(text)}
    wanted = [counts[word] for word in words if word in counts] or counts.values()
    return Output(0, " ".join(map(str, wanted)) + "\n")


def _sort(words: Sequence[str], text: str) -> Output:
    flags = "".join(words)
    lines = text.splitlines()
    lines = sorted(set(lines) if "u" in flags else lines)
    if "n" in flags:
        lines.sort(key=_leading_number)
    return Output(0, _text(lines[::-1] if "r" in flags else lines))


def _leading_number(line: str) -> int:
    match = re.match(r"\s*(-?\d+)", line)
    return int(match[1]) if match else 0


def _uniq(words: Sequence[str], text: str) -> Output:
    lines = text.splitlines()
    starts = [i for i, line in enumerate(lines) if not i or line != lines[i - 1]]
    if "-c" not in words:
        return Output(0, _text([lines[i] for i in starts]))
    ends = [*starts[1:], len(lines)]
    pairs = zip(starts, ends, strict=True)
    return Output(0, _text([f"{end - i:7} {lines[i]}" for i, end in pairs]))


def _seq(words: Sequence[str], text: str) -> Output:
    try:
        numbers = list(map(int, words))
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= 2:
        return Output(1, "usage: seq [FIRST] LAST\n")
    first = numbers[0] if len(numbers) == 2 else 1
    return Output(0, _text(map(str, range(first, numbers[-1] + 1))))


def _echo(words: Sequence[str], text: str) -> Output:
    no_end = words[:1] == ["-n"]
    return Output(0, " ".join(words[no_end:]) + ("" if no_end else "\n"))


def _text(lines: "Sequence[str] | map[str]") -> str:
    return "".join(f"{line}\n" for line in lines)


FILTERS: dict[str, Callable[[Sequence[str], str], Output]] = {
    "echo": _echo,
    "false": lambda words, text: Output(1, ""),
    "grep": _grep,
    "head": _head,
    "seq": _seq,
    "sort": _sort,
    "tail": _tail,
    "true": lambda words, text: Output(0, ""),
    "uniq": _uniq,
    "wc": _wc,
}
"""Programs by name; each gets its words and its standard input."""
