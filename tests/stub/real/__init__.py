"""Machines of minidns.stub against the C libraries that they model."""
