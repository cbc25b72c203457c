"""The one command, `phenostream`: parses arguments, composes the parts, turns errors into one line and an exit code."""

from phenostream.deploy.cli.main import main

__all__ = ["main"]
