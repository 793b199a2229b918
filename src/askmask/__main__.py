"""``python -m askmask``: the command line."""

from askmask.cli.main import main

main()
