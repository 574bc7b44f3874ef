"""`python -m dr_transformer`."""

import sys

from dr_transformer.cli.commands import main

sys.exit(main())
