"""`dr-transformer`, but in its third block rank 1 does what the first argument says: die, or hang."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

from dr_transformer.cli.commands import main
from dr_transformer.model import distributed

calls = 0
run_block = distributed.run_block


def failing(*arguments: Any) -> Iterator[Any]:
    global calls
    calls += 1
    if calls == 3 and os.environ["RANK"] == "1":
        if sys.argv[1] == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(600)
    return run_block(*arguments)


if __name__ == "__main__":
    distributed.run_block = failing
    sys.exit(main(sys.argv[2:]))
