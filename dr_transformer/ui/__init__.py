"""What imports Streamlit: the canvas, the sidebar, the state of a session.

Whichever page a session opens first, this is imported first of all. The server draws and does not compute
(`engine.process`), but the modules whose jobs it asks for import torch, scikit-learn and Matplotlib, which takes
seconds and half a gigabyte: here they are loaded when something of them is used, which no visit to a page does
(`late`). Where it computes, in the process that inherits this environment or in the server itself, OpenMP's threads
are told not to spin while they wait for each other beside a page that wants the cores, which GCC's library, in the
wheels of torch and scikit-learn, reads once, as it is loaded. What the user has set stays.
"""

import os

from dr_transformer.ui.late import load_late

ENGINE = "DR_TRANSFORMER_ENGINE"
"""The environment variable that says where the app computes: "process" (of its own, the default) or "threads"."""

if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "0")

if os.environ.get(ENGINE) != "threads":
    load_late("torch", "sklearn", "matplotlib")
