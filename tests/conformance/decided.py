"""Cases in which minidns does not do as CoreDNS, and why; see docs/differences.md."""

DECIDED = {"PTR-28": "a slice that names no Service: CoreDNS sends nothing, minidns NXDOMAIN"}
