"""What is wrong with the value of a field, in words for people."""

import re

_TYPES = {
    "array": "a list",
    "object": "fields",
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "nothing",
}
"""The names of types for people."""


def wrong_value(name: str, said: str) -> tuple[str, str]:
    """Return the path of a wrong field, and what is wrong with it.

    ``said`` is the text of msgspec about the value of the field ``name``.
    """
    what, _, at = said.partition(" - at ")
    path = name + at.strip("`").removeprefix("$")
    if missing := re.search(r"missing required field `(\w+)`", what):
        return f"{path}.{missing[1]}", "it is missing"
    if types := re.fullmatch(r"Expected `(.+?)`, got `(.+?)`", what):
        wanted, given = (_type_in_words(types[part]) for part in (1, 2))
        return path, f"it needs {wanted}, and has {given}"
    return path, "its value is not one that this field can have"


def _type_in_words(types: str) -> str:
    return " or ".join(_TYPES.get(name, name) for name in types.split(" | "))
