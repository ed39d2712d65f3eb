"""Values and pure functions; imports no I/O module."""
