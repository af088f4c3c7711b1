"""`python -m edge_deploy` is the command line."""

from .cli import main

main()
