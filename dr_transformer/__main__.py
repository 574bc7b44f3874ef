"""`python -m dr_transformer`."""

import sys

from dr_transformer.cli import main

sys.exit(main())
