"""How good an embedding is: its scores, curves over depth, and whether they are real.

Public as a whole: `from dr_transformer import quality`.
"""

from dr_transformer.quality.scores import SUBSAMPLE, Quality, Reference, quality

__all__ = ["SUBSAMPLE", "Quality", "Reference", "quality"]
