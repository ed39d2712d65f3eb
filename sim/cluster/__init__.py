"""The simulated cluster as a whole."""
