"""The bearer tokens of one run: one of the administrator, one per service account."""

import secrets

from . import rbac
from .objects import Json, dig, key_of


class Accounts:
    """Maps random tokens to user names."""

    def __init__(self) -> None:
        self.administrator = secrets.token_urlsafe()
        """Token of the printed kubeconfig."""
        self.names = {self.administrator: rbac.ADMIN.name}
        """User names by token, for `ApiServer`."""

    def token_of(self, pod: Json) -> str:
        """Return the token of the service account that ``pod`` runs as."""
        account = dig(pod, "spec.serviceAccountName") or "default"
        name = f"{rbac.ACCOUNT}{key_of(pod)[0]}:{account}"
        for token, user in self.names.items():
            if user == name:
                return token
        token = secrets.token_urlsafe()
        self.names[token] = name
        return token
