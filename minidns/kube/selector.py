"""Label selectors as the API server takes them; checked before it sees them."""

import re

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_KEY = rf"(?:[a-z0-9](?:[a-z0-9.-]{{0,251}}[a-z0-9])?/)?{_NAME}"
_VALUE = rf"(?:{_NAME})?"
_SET = rf"\(\s*{_VALUE}(?:\s*,\s*{_VALUE})*\s*\)"
_REQUIREMENT = re.compile(
    rf"\s*(?:!?\s*{_KEY}"
    rf"|{_KEY}\s*(?:==|=|!=)\s*{_VALUE}"
    rf"|{_KEY}\s*[<>]\s*-?\d+"
    rf"|{_KEY}\s+(?:in|notin)\s*{_SET})\s*"
)


def check(selector: str) -> None:
    """Accept ``selector`` if it is one (Kubernetes labels, set- or equality-based).

    Raises:
        ValueError: a requirement in it that nobody could match.

    """
    for requirement in re.split(r",(?![^(]*\))", selector):
        if not _REQUIREMENT.fullmatch(requirement):
            raise ValueError(f"{requirement.strip()!r} is not a label requirement")
