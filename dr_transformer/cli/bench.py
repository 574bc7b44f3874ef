"""`dr-transformer bench`: measures, shows each result as it comes, then one table, and writes JSON if asked to."""

from __future__ import annotations

import sys
from pathlib import Path

from dr_transformer.errors import InputError
from dr_transformer.export.files import whole_file


def bench(n_samples: int, out: Path | None, *, large: bool = False) -> int:
    """Run all cases on `n_samples` tokens, with `large` also those of minutes; returns the exit status."""
    from dr_transformer.bench.bench import Result, as_json, run_cases, table
    from dr_transformer.bench.cases import cases
    from dr_transformer.bench.large import large_cases
    from dr_transformer.bench.transformer import left_out
    from dr_transformer.hardware.machine import machine

    if not 1000 <= n_samples <= 10_000:
        raise InputError(f"the bench measures 1000 to 10000 tokens, but --n-samples is {n_samples}.")
    about = machine()
    gpu = about["gpu"] or "no GPU"
    print(f"{about['processor']}, {about['cores']} cores, {about['capability']}, {gpu}; PyTorch {about['torch']}")  # noqa: T201
    results: list[Result] = []
    for share, said in run_cases([*cases(n_samples), *(large_cases() if large else ())]):
        if isinstance(said, Result):
            results.append(said)
        else:
            print(f"{share:4.0%}  {said} …", file=sys.stderr)  # noqa: T201
    print(table(results))  # noqa: T201
    if (why := left_out()) is not None:
        print(why)  # noqa: T201
    if out is not None:
        with whole_file(out) as target:
            target.write_text(as_json(results), encoding="utf-8")
        print(f"wrote {out}")  # noqa: T201
    return 0
