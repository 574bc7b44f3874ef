"""A decoder language model and a vision transformer whose variants differ in one term: A, A − I, or A − aI.

The paper's second claim (arXiv 2507.21040, section 4): the negative graph Laplacian A − I in place of the attention
matrix A improves validation. `loop.train` makes one run, `cli/train.py` is the terminal's `train`, `engine/training.py`
a small comparison for the app, `results.py` the rows they all write and read. Importing this package loads no torch.
"""
