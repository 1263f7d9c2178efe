"""The whole layer-wise analysis of one condition against the procedure of study A's published code.

2,000 utterances in five folds of 1600/200/200, the 13 hidden states of wav2vec 2.0 base, a linear head a layer and
fold. The published procedure runs the encoder again, one file at a time, for every layer and every part of every
fold, and trains the heads one after another. Ours extracts all layers once and trains the heads together. Both
are measured on a subset (see bench_extraction.py and bench_probe.py) and scaled by counts.

The bf16 row needs a processor with bfloat16 instructions; elsewhere it is not measured, and that is said.
"""

from __future__ import annotations

from pathlib import Path

from local.encoders.loading import has_native_bf16
from tests.benchmarks import bench_extraction, bench_probe

# Forward passes of the published procedure: every part of every fold, for every layer.
FORWARDS = bench_probe.UTTERANCES * bench_probe.FOLDS * bench_probe.LAYERS


def run(work: Path) -> list[dict]:
    """Measure.

    Parameters
    ----------
    work : Path
        Data directories and features are written here.

    Returns
    -------
    list of dict
        One row, and one for bfloat16 where the processor has it.
    """
    heads = bench_probe.compare("linear")
    rows = [_row("layerwise_vs_published", 50.0, bench_extraction.measured(work, "fp32"), heads, "")]
    if has_native_bf16("cpu"):
        (work / "bf16").mkdir()
        extraction = bench_extraction.measured(work / "bf16", "bf16")
        return [*rows, _row("layerwise_vs_published_bf16", 80.0, extraction, heads, "; encoder in bfloat16")]
    print("layerwise_vs_published_bf16: not measured: this processor has no bfloat16 instructions")
    return rows


def _row(name: str, target: float, extraction: list[dict], heads: dict, note: str) -> dict:
    times = next(row for row in extraction if row["name"] == "extraction_vs_single")
    once, single = (times[side] / bench_extraction.FILES for side in ("ours_s", "reference_s"))
    ours = bench_probe.UTTERANCES * once + heads["ours_s"]
    reference = FORWARDS * single + heads["reference_s"]
    return {
        "name": name,
        "ours_s": ours,
        "reference_s": reference,
        "ratio": reference / ours,
        "target": target,
        "note": (
            f"scaled from {bench_extraction.FILES} files: {once:.3f} s a file, once for each of "
            f"{bench_probe.UTTERANCES}, against {single:.3f} s a file for each of {FORWARDS} whole forward passes; "
            f"heads {heads['ours_s']:.1f} s against {heads['reference_s']:.1f} s{note}"
        ),
    }
