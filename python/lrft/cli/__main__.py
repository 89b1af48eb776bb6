"""`python -m lrft.cli` is `lrft`."""

from lrft.cli import main

main()
