"""Explanations of answers for ``minidns why``."""
