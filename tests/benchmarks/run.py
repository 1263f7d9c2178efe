"""Run the benchmarks and write their ratios: ``tests/benchmarks/run.sh [NAME ...]``.

Every ``bench_<name>.py`` beside this file has ``run(work) -> list of rows``; a row holds ``name``,
``ours_s``, ``reference_s`` (seconds; of memory ``ours_mb``, ``reference_mb``), ``ratio``, ``target`` and a ``note``
that says how each side was measured.
Rows of benchmarks that were not asked for keep their earlier values.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import tempfile
from pathlib import Path

from utils.atomic import atomic_file
from utils.errors import UserError, run_main

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.json"


def main() -> None:
    """Run the benchmarks named on the command line, or all."""
    known = sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which to run: {', '.join(known)} (default: all)")
    names = parser.parse_args().names or known
    for name in names:
        if name not in known:
            raise UserError(f"no benchmark '{name}'; known: {', '.join(known)}")
    old = json.loads(RESULTS.read_text(encoding="utf-8"))["rows"] if RESULTS.exists() else []
    rows = {row["name"]: row for row in old}
    with tempfile.TemporaryDirectory() as work:
        for name in names:
            print(f"== {name}", flush=True)
            for row in importlib.import_module(f"tests.benchmarks.bench_{name}").run(Path(work)):
                rows[row["name"]] = row
                unit = "mb" if "ours_mb" in row else "s"
                print(
                    f"{row['name']:34} ours {row[f'ours_{unit}']:9.3f} {unit:2} "
                    f"reference {row[f'reference_{unit}']:9.3f} {unit:2} "
                    f"ratio {row['ratio']:6.2f} (target {row['target']})",
                    flush=True,
                )
            _save(rows)


def _save(rows: dict[str, dict]) -> None:
    with atomic_file(RESULTS) as file:
        json.dump({"machine": _machine(), "rows": sorted(rows.values(), key=lambda row: row["name"])}, file, indent=1)
        file.write("\n")


def _machine() -> dict:
    import torch

    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "native_bf16": bool(torch.cpu._is_avx512_bf16_supported()),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    models = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor())


if __name__ == "__main__":
    run_main(main)
