"""`python -m lrft_command` is `lrft`."""

from lrft_command import main

main()
