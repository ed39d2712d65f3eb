"""A kubeconfig file that points kubectl and the client packages at a server."""

from pathlib import Path

import yaml

CONTEXT = "sim"
ADMIN_TOKEN = "sim-admin"
"""An administrator's where a server takes any token."""


def text(url: str, token: str, authority: Path | None, namespace: str) -> str:
    """Return a kubeconfig with one context, called sim."""
    cluster = {"server": url}
    if authority is not None:
        cluster["certificate-authority"] = str(authority.resolve())
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": CONTEXT,
            "clusters": [{"name": CONTEXT, "cluster": cluster}],
            "users": [{"name": CONTEXT, "user": {"token": token}}],
            "contexts": [
                {
                    "name": CONTEXT,
                    "context": {
                        "cluster": CONTEXT,
                        "user": CONTEXT,
                        "namespace": namespace,
                    },
                }
            ],
        },
        sort_keys=False,
    )
