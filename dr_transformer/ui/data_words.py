"""Words that fit the data: a user's table has neither pixels nor images, nor digits."""

from __future__ import annotations

import re

_OTHERWISE = {"pixel": "feature", "image": "token", "digit": "token"}
_SAID = re.compile(rf"\b(an )?({'|'.join(_OTHERWISE)})(?=s?\b)", re.IGNORECASE)


def fitting(text: str, *, images: bool) -> str:
    """The text as it is where tokens are `images`; otherwise tokens and features instead of images and pixels."""
    return text if images else _SAID.sub(_replaced, text)


def _replaced(found: re.Match[str]) -> str:
    article, word = found.groups()
    instead = _OTHERWISE[word.lower()]
    instead = instead.capitalize() if word[0].isupper() else instead
    return f"{'A' if article[0] == 'A' else 'a'} {instead}" if article else instead
