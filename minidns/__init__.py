"""A cluster DNS in pure Python: reads a Corefile, answers as CoreDNS does, says why."""

__version__ = "0.1.0"
