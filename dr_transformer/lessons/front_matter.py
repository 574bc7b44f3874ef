"""YAML as a lesson may use it: plain values, lists and mappings, bounded in depth.

A lesson comes from anybody. Aliases let 300 bytes stand for gigabytes, tags call constructors, dates and numbers end in
errors of Python's own; none of them is needed here.
"""

from __future__ import annotations

from typing import Any

import yaml

from dr_transformer.errors import InputError

MAX_DEPTH = 8
"""Lists and mappings within each other; a step's settings need two."""


class _Refused(yaml.MarkedYAMLError):
    """Say what YAML allows and a lesson does not."""


class _PlainLoader(yaml.SafeLoader):
    """Read plain values; what looks like a date stays text."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise _Refused(problem="it has an alias (& or *); write the value out", problem_mark=event.start_mark)
        if getattr(event, "tag", None) is not None:
            raise _Refused(problem="it has a tag (!); write the value alone", problem_mark=event.start_mark)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _Refused(problem=f"it nests deeper than {MAX_DEPTH} levels", problem_mark=event.start_mark)
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


_PlainLoader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":merge"))]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_block(where: str, block: str, hint: str = "") -> Any:
    """Return what a block says. Raises `InputError` that begins with `where` and may end with a `hint`."""
    try:
        return yaml.load(block, _PlainLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = "" if mark is None else f" at line {mark.line} of the block"
        if isinstance(error, _Refused):
            raise InputError(f"{where} cannot be read{at}: {error.problem}.") from None
        raise InputError(f"{where} is not valid YAML{at}; check its colons, brackets and quotes{hint}.") from None
    except (ValueError, OverflowError, RecursionError, TypeError):  # TypeError: a list or mapping as a key
        raise InputError(
            f"{where} holds a value that cannot be read; put text in quotes, and use usual numbers."
        ) from None
