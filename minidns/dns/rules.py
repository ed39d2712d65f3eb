"""Rules behind answers as values: a stable id, and the cause in words.

Each plugin that makes answers has an enum of its rules. The response carries the
member; whatever reads the response looks at the member, never at the text of the id.
"""

from enum import StrEnum
from typing import Self


class AnswerRule(StrEnum):
    """A rule by its id, such as ``acl/block``; ids keep their meaning."""

    cause: str
    """A sentence that says why the answer is what it is."""
    is_denial: bool
    """True if the client may not learn anything about the name."""

    def __new__(cls, value: str, cause: str, is_denial: bool = False) -> Self:
        """Make a member whose value is its id."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.cause, member.is_denial = cause, is_denial
        return member
