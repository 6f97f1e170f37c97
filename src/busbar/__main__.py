"""`python -m busbar` is the `busbar` command."""

import sys

from busbar.entrypoints.cli import main

if __name__ == "__main__":
    sys.exit(main())
