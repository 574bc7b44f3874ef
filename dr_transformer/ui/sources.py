"""Where the formulas on the pages come from, besides `substep_texts.PAPER`."""

SHIM = "Shim, [arXiv 2205.01080](https://arxiv.org/abs/2205.01080)"
HILL = "Hill, [Ecology 54 (1973)](https://doi.org/10.2307/1934352)"
BJORCK_GOLUB = "Björck and Golub, [Math. Comp. 27 (1973)](https://doi.org/10.1090/S0025-5718-1973-0348991-3)"
