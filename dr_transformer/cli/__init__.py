"""The terminal, one file a command; `main` is the entry point `dr-transformer`."""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status (2 for bad input, whose one sentence goes to standard error)."""
    try:
        from dr_transformer.cli.commands import main as run  # takes a second, in which Ctrl-C may come

        return run(arguments)
    except KeyboardInterrupt:
        return 130


__all__ = ["main"]
