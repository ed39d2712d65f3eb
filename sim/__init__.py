"""A simulated cluster, for tests, scenarios and the demo."""
