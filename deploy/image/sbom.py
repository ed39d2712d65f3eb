"""Say what is in the image: a CycloneDX 1.5 document of Debian's and Python's packages.

``sbom.py ROOT`` prints it. It is made of what lies in the image itself, by the standard
library alone, and is the same for the same packages: no random serial number, and the
time of SOURCE_DATE_EPOCH.
"""

import json
import os
import re
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

SITE = "usr/local/lib/python3.11/dist-packages"
PROJECT = "kube-minidns"
Json: TypeAlias = dict[str, object]


def _component(name: str, version: str, purl: str, kind: str = "library") -> Json:
    return {
        "type": kind,
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
    }


def debian(root: Path) -> Iterator[Json]:
    """Yield the packages of Debian, from what dpkg says of each."""
    for path in sorted((root / "var/lib/dpkg/status.d").iterdir()):
        told = Parser().parsestr(path.read_text())
        version = quote(told["Version"], safe="")
        purl = f"pkg:deb/debian/{told['Package']}@{version}?arch={told['Architecture']}"
        yield _component(told["Package"], told["Version"], purl)


def python(root: Path) -> Iterator[Json]:
    """Yield the packages of Python, from their metadata."""
    for path in sorted((root / SITE).glob("*.dist-info/METADATA")):
        told = Parser().parsestr(path.read_text(encoding="utf-8"))
        name = re.sub(r"[-_.]+", "-", told["Name"]).lower()
        purl = f"pkg:pypi/{name}@{told['Version']}"
        made = _component(told["Name"], told["Version"], purl)
        if license_ := _license(told):
            made["licenses"] = license_
        yield made


def _license(told: Message) -> list[Json]:
    if expression := told["License-Expression"]:
        return [{"expression": expression}]
    if (name := told["License"]) and len(name) < 60:  # some put the whole text there
        return [{"license": {"name": name}}]
    return []


def document(root: Path) -> Json:
    """Return the document for the image below ``root``."""
    found = [*debian(root), *python(root)]
    (own,) = (each for each in found if each["name"] == PROJECT)
    others = [each for each in found if each is not own]
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(found, sort_keys=True))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch, UTC).isoformat(),
            "component": {**own, "type": "container"},
        },
        "components": others,
    }


if __name__ == "__main__":
    print(json.dumps(document(Path(sys.argv[1])), indent=1))
