"""The certificate of the simulated API server: kubectl sends tokens over TLS alone."""

from pathlib import Path

import trustme

from ..api import private_files
from ..api.http import Tls


def write(folder: Path, host: str) -> Tls:
    """Write a certificate for ``host`` and its authority, made for this run.

    The authority's key is not kept: it signs nothing else.

    Raises:
        OSError: ``folder`` cannot be written to.

    """
    authority = trustme.CA()
    pair = authority.issue_cert(host)
    chain = b"".join(part.bytes() for part in pair.cert_chain_pems)
    return Tls(
        private_files.write(folder / "api.crt", chain),
        private_files.write(folder / "api.key", pair.private_key_pem.bytes()),
        private_files.write(folder / "ca.crt", authority.cert_pem.bytes()),
    )
