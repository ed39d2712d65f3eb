"""The certificate of the simulated API server: kubectl sends tokens over TLS only."""

from pathlib import Path

import trustme

from ..api import private_files
from ..api.http import Tls


def write(folder: Path, host: str) -> Tls:
    """Create and write a certificate for ``host`` and its CA.

    The key of the CA is not stored.

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
