from minidns.text import files
from tests.table import table

BELOW = [
    ("", "db.example.org", "db.example.org"),
    ("/etc/coredns", "db.example.org", "/etc/coredns/db.example.org"),
    ("/etc/coredns", "/zones/db", "/zones/db"),
    ("zones", "db", "zones/db"),
]


@table(("root", "path", "expected"), BELOW)
def test_relative_paths_start_at_the_root(root: str, path: str, expected: str) -> None:
    assert files.below(root, path) == expected


REASONS = [
    (FileNotFoundError(2, "No such file or directory"), "no such file or directory"),
    (PermissionError(13, "Permission denied"), "permission denied"),
    (OSError("broken"), "broken"),
]


@table(("error", "why"), REASONS)
def test_reason_is_in_the_words_of_go(error: OSError, why: str) -> None:
    assert files.reason(error, "db") == f"open db: {why}"
