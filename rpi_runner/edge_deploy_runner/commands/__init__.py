"""The commands of `python -m edge_deploy_runner`, one module each.

Each module has `add_arguments(parser)` and `main(arguments) -> int`, which returns the exit code.
"""
