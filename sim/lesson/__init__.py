"""Lessons: pages whose questions the simulated cluster asks and answers."""
