"""The simulated cluster as a whole, started and kept running."""
