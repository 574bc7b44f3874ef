"""The terminal, one file a command; `main` is the entry point `dr-transformer`."""

from dr_transformer.cli.commands import main

__all__ = ["main"]
