"""What do unheard sentences cost, and what does training on half cost?  From several partitions of one corpus.

Beside each other stand folds by speaker, ``speaker+sentence``, whose tested sentences nobody trains on, and its control
``speaker+matched``, which trains on as much of all sentences; all on the same test utterances. In egs/<corpus>::

    for seed in 0 1 2 3 4; do
      ./run.sh --db-root DIR --stop-stage 5 --tag sentences$seed --set encoders=[mini] --set probe.heads=[logreg] \
        --set split.folds=4 --set split.seed=$seed \
        --set 'vary={split: [speaker, speaker+sentence, speaker+matched]}'
    done
    . ../../path.sh; python3 -m tests.benchmarks.unheard CORPUS exp_sentences?

Printed are means over the partitions; a speaker is the same in all of them. docs/statistics.md holds the numbers.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from local.results import read
from local.score import compare, tabulate
from utils import intervals, uncertain
from utils.data_dir import read_utt2

APART, MATCHED, WHOLE = "speaker+sentence", "speaker+matched", "speaker"


def main() -> None:
    """Print a row a comparison, in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", help="its name")
    parser.add_argument("folders", type=Path, nargs="+", help="results, a partition each")
    arguments = parser.parse_args()
    speakers, rng = read_utt2(Path("data", arguments.corpus), "spk"), np.random.default_rng(0)
    for a, b in ((WHOLE, APART), (WHOLE, MATCHED), (MATCHED, APART)):
        pairs = []
        for folder in arguments.folders:
            # Not by manifests: the next partition has cut the folds anew.
            conditions = [read.read(path.parent) for path in sorted(folder.glob("probe/*/meta.json"))]
            classes = dict(pair for one in conditions for pair in zip(one.utts, one.reference, strict=True))
            blocks = intervals.make_blocks({utt: speakers[utt] for utt in sorted(classes)}, classes, 0, rng)
            scored = {one.factors["split"]: tabulate.score(one, blocks) for one in conditions}
            pairs.append(compare.pair(scored[a], scored[b], blocks))
        differences = [pair.difference for pair in pairs]
        found = uncertain.combine(differences)
        p, _ = uncertain.p_values(differences, None, 50_000, rng)
        ua = [100 * np.mean([getattr(pair, side) for pair in pairs]) for side in ("ua_a", "ua_b")]
        value, low, high = (100 * end for end in (found.value, found.low, found.high))
        print(f"| {a}, {b} | {ua[0]:.1f} | {ua[1]:.1f} | {value:+.1f} [{low:+.1f}, {high:+.1f}] | {p:.2g} |")


if __name__ == "__main__":
    main()
