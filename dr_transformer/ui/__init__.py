"""What imports Streamlit: the canvas, the sidebar, the state of a session.

Whichever page a session opens first, this is imported before torch is, and the server computes beside a page that wants
the cores: OpenMP's threads are told not to spin while they wait for each other, which GCC's library, in the wheels of
torch and scikit-learn, reads once, as it is loaded. What the user has set stays.
"""

import os

if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
