"""The HTTP server of health, readiness, metrics and explanations."""
