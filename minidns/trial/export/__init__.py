"""A redacted bundle of a trial, which replays on the simulated cluster."""
