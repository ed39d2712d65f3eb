"""The operating system: addresses, files, processors and limits."""
