"""Results of commands for programs: JSON or YAML."""

import json

import yaml


def document(tree: object, form: str) -> str:
    """Return a tree of JSON values as ``json`` or ``yaml``, without a final line end.

    >>> print(document({"a": [1, "yes"]}, "yaml"))
    a:
    - 1
    - 'yes'
    """
    text = json.dumps(tree, indent=2)
    if form == "json":
        return text
    # through JSON: enumerations and tuples are plain values there
    return yaml.safe_dump(json.loads(text), sort_keys=False).rstrip("\n")
