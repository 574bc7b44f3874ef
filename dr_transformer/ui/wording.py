"""Whether what the sidebar asks for are images: a user's table has neither pixels nor digits to speak of."""

from __future__ import annotations

from dr_transformer.errors import InputError
from dr_transformer.ui import session
from dr_transformer.ui.link import UPLOAD
from dr_transformer.ui.sidebar import Settings


def shows_images(settings: Settings) -> bool:
    """Whether `Dataset.images` is not None; True as well where the data cannot be had, for the paper's are images.

    All data sets that are known by name are; only a file is looked at, so that a title does not wait for a download.
    """
    try:
        return settings.values["dataset"] != UPLOAD or session.dataset(settings).image_shape is not None
    except InputError:
        return True
