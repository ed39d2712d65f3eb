"""``python -m minidns``, and the program ``minidns``."""

import sys

from minidns.cli import main

if __name__ == "__main__":
    sys.exit(main())
