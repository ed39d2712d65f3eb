"""*tls* - name the certificate for DNS over TLS."""

import logging

from minidns.corefile.blocks import ConfigError, Directive, Line
from minidns.plugins.site import Certificate, Site
from minidns.plugins.spec import PluginSpec, Traits
from minidns.text import files as paths

log = logging.getLogger(__name__)

_VERIFYING = ("nocert", "verify_if_given", "require_and_verify")
_NOT_VERIFYING = ("request", "require")


def setup(directives: tuple[Directive, ...], site: Site) -> None:
    """Accept ``tls CERTIFICATE KEY [CA] { client_auth KIND }``.

    Raises:
        ConfigError: too few files, an unknown option, or one that minidns lacks.

    """
    for directive in directives:  # the last one counts (CoreDNS)
        if not directive.args:
            raise ConfigError("certificates by ACME are not supported by minidns")
        if not 2 <= len(directive.args) <= 3:
            # the plugin's name stands twice before this one (CoreDNS)
            raise directive.arg_error().prefixed("plugin/tls: ")
        client_auth = "nocert"
        for line in directive.block:
            client_auth = _read(line) or client_auth
        files = [paths.below(site.root, each) for each in directive.args]
        certificate, key, ca = (*files, "")[:3]
        site.certificate = Certificate(certificate, key, ca, client_auth)


def _read(line: Line) -> str:
    """Return the kind of client authentication, empty for another option."""
    if line.name not in ("client_auth", "keylog"):
        raise line.error(f"unknown option '{line.name}'")
    if len(line.args) != 1:
        raise line.arg_error()
    (word,) = line.args
    if line.name == "keylog":
        log.warning("keylog %s is ignored: minidns writes no keys down", word)
        return ""
    if word in _NOT_VERIFYING:
        # Python's ssl takes a certificate only to verify it
        raise line.error(f"client_auth {word} is not supported by minidns")
    if word not in _VERIFYING:
        raise line.error(f"unknown authentication type '{word}'")
    return word


PLUGIN = PluginSpec(
    name="tls",
    summary="name the certificate for DNS over TLS",
    syntax="tls CERTIFICATE KEY [CA]",
    traits=Traits.NONE,
    setup=setup,
    defaults=None,
)
