"""The bearer tokens of one run: the administrator's, and the service accounts'."""

import secrets
from collections.abc import Callable
from pathlib import Path

from . import rbac
from .objects import Json, dig, key_of


class Accounts:
    """Random tokens, and the user names that they stand for."""

    def __init__(self) -> None:
        self.administrator = secrets.token_urlsafe()
        """Token of the printed kubeconfig."""
        self.names = {self.administrator: rbac.ADMIN.name}
        """Token to user name, as `ApiServer` takes them."""

    def token_of(self, pod: Json) -> str:
        """Return the token of the service account that ``pod`` runs as."""
        account = dig(pod, "spec.serviceAccountName") or "default"
        name = f"{rbac.ACCOUNT}{key_of(pod)[0]}:{account}"
        for token, known in self.names.items():
            if known == name:
                return token
        token = secrets.token_urlsafe()
        self.names[token] = name
        return token

    def kubeconfig(
        self, write: Callable[[Path, str], Path]
    ) -> Callable[[Path, Json], Path]:
        """Return what writes the kubeconfig of a pod, by ``write`` (path, token)."""
        return lambda path, pod: write(path, self.token_of(pod))
