"""The text of a kubeconfig for the simulated API server."""

from pathlib import Path

import yaml

CONTEXT = "sim"
ADMIN_TOKEN = "sim-admin"
"""The administrator's token of a server that accepts any token."""


def text(url: str, token: str, authority: Path | None, namespace: str) -> str:
    """Return a kubeconfig with the single context sim."""
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
