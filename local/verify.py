"""Find what has been damaged since it was made: ``run.sh --verify``.

    cd egs/<recipe> && python3 -m local.verify [--config conf/experiment.yaml] [--set KEY.PATH=VALUE]...

Reads everything that a recipe keeps, and compares it with the checksums that were taken when it was made: features,
conditions and trained models (``.done``, utils/stamp.py), what training reads of each utterance
(utils/feature_cache.py), and the audio itself (``utt2digest``, a digest of the decoded samples). Prints a line for each
file that differs, with what to do, and ends with 1 if there is any. Nothing is made or changed.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from local import experiment
from local.splits import digests
from utils import stamp
from utils.data_dir import UNKNOWN, read_utt2, read_utterances
from utils.errors import run_main
from utils.feature_cache import InputCache


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    experiment.add_arguments(parser)
    settings = experiment.load(parser.parse_args())
    results, corpora = [Path("dump"), *dict.fromkeys((settings.exp, Path("exp")))], settings.prepared
    damaged = 0
    for line in damage(results, [Path("data", name) for name in corpora]):
        print(line, flush=True)
        damaged += 1
    print(f"{damaged} damaged" if damaged else "all is as it was made")
    return min(damaged, 1)


def damage(results: Iterable[Path], corpora: Iterable[Path]) -> Iterator[str]:
    """Say of every file that is not as it was made what is wrong, and what to do.

    Parameters
    ----------
    results : iterable of Path
        Folders in which to look, at any depth, for finished results and for caches.
    corpora : iterable of Path
        Data directories; those that stage 1 has not decoded yet are passed over.
    """
    for root in results:
        for name, _, files in os.walk(root, followlinks=True):
            if stamp.NAME in files:
                for line in stamp.damage(name):
                    yield f"{line}; remove {name} and run its stage again"
            yield from InputCache.damage(Path(name))
    for data in corpora:
        if not (data / "utt2digest").is_file():
            continue
        noted, sources = read_utt2(data, "digest"), {own.id: own.source for own in read_utterances(data)}
        for heard in digests.digest_all(data)[0]:
            if noted[heard.utterance] != (heard.samples or UNKNOWN):
                yield (
                    f"{sources[heard.utterance]} is not the audio that stage 1 read of {heard.utterance}; restore it, "
                    f"or remove {data} and run from stage 1"
                )


if __name__ == "__main__":
    run_main(main)
