"""The folder sim under the name that it has in a wheel.

A package called sim in site-packages would be in other people's way, so the wheel calls
it minidns_sim. In a clone, where the folder is what is installed, this leads to it.
"""

from pathlib import Path

__path__ = [str(Path(__file__).parent / "sim")]
