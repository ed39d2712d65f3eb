"""Values that shells complete: contexts of the kubeconfig, namespaces, workloads."""

import argparse
import asyncio
from collections.abc import Sequence

import yaml

from minidns.corefile.errors import ConfigError
from minidns.kubernetes.documents import Json
from minidns.kubernetes.resources import ApiError
from minidns.second_dns import session
from minidns.second_dns.objects import WORKLOADS
from minidns.text.arguments import Parser

WAIT_S = 2.0
"""Time for the API server to answer: somebody waits for the next letter."""


def contexts(before: Sequence[str]) -> list[str]:
    """Return the contexts of the kubeconfig that the words before name."""
    try:
        with open(session.kubeconfig(_args(before)), encoding="utf-8") as file:
            tree = yaml.safe_load(file)
        return [str(entry["name"]) for entry in tree["contexts"]]
    except (OSError, ValueError, LookupError, TypeError, yaml.YAMLError):
        return []


def namespaces(before: Sequence[str]) -> list[str]:
    """Return the namespaces of the cluster."""
    found = objects(_args(before), "/api/v1/namespaces")
    return [each["metadata"]["name"] for each in found]


def workloads(before: Sequence[str]) -> list[str]:
    """Return the workloads of the namespace that the words before name."""
    args = _args(before)
    return [
        f"{kind.short[0]}/{each['metadata']['name']}"
        for kind in WORKLOADS
        for each in objects(args, kind.path(args.namespace))
    ]


def _args(before: Sequence[str]) -> argparse.Namespace:
    """Return the options that select the cluster and the namespace."""
    parser = Parser("minidns", "", {})
    session.add_options(parser)
    parser.add_argument("-n", "--namespace", default="default")
    # a flag at the end is the one whose value is completed
    ended = before[:-1] if before and before[-1].startswith("-") else before
    return parser.parse_known_args(ended)[0]


def objects(args: argparse.Namespace, path: str) -> list[Json]:
    """Return the objects at a path of the API; none if it does not answer in time.

    ``args`` are those of `session.add_options`.
    """

    async def listed() -> list[Json]:
        async with asyncio.timeout(WAIT_S), session.documents(args) as api:
            found: list[Json] = await api.list_objects(path)
            return found

    try:
        return asyncio.run(listed())
    except (ApiError, ConfigError, OSError):
        return []
