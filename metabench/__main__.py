"""`python -m metabench`."""

import sys

from metabench.cli import main

if __name__ == "__main__":
    sys.exit(main())
