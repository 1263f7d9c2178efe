"""Put the jobs' parts of an encoder's features together:

    python3 -m local.features.merge --encoder mini[,...] --nj 4 [--config C] [--set KEY=VALUE]...

Reads dump/<encoder>/<corpus>/shard.<nj>/, writes feats.{ark,scp} sorted by utterance, info.json,
excluded.tsv and, last, .done beside it, and removes the parts.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys

from local import experiment
from local.encoders import needs
from local.encoders.registry import PROVENANCE
from local.features import shard
from local.features.work import Work, all_work
from utils import ark, stamp
from utils.atomic import atomic_file
from utils.errors import UserError, run_main


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    experiment.add_arguments(parser)
    parser.add_argument("--encoder", required=True, help="name of the encoder, as in the experiment, or several (a,b)")
    parser.add_argument(
        "--nj", type=int, default=1, help="number of jobs that local.features.extract ran as (default: 1)"
    )
    arguments = parser.parse_args()
    wanted = experiment.load(arguments)
    for work in (work for name in arguments.encoder.split(",") for work in all_work(wanted, name)):
        if needs.unavailable(work.encoder, work.data):
            continue
        if work.why_stale() is None:
            print(f"{work.directory}: up to date", file=sys.stderr)
        else:
            merge(work, arguments.nj)


def merge(work: Work, nj: int) -> None:
    """Put the parts of ``nj`` jobs together, as many as local.features.extract ran.

    Raises
    ------
    UserError
        A job has not run or not ended, or no utterance has features.
    """
    mark = work.stamp()
    index: dict[str, str] = {}
    excluded: dict[str, str] = {}
    precisions, commits = set(), set()
    for job in range(1, nj + 1):
        scp, without, precision, commit = shard.read(work.shards(nj), job, mark)
        index |= ark.read_scp(scp)
        excluded |= without
        precisions.add(precision)
        commits.add(commit)
    missing = [utterance.id for utterance in work.utterances() if utterance.id not in index | excluded]
    if missing:
        raise UserError(
            f"{work.shards(nj)}: {len(missing)} utterances are missing, first {missing[0]}; "
            "see the logs in dump/log and run local.features.extract again"
        )
    if not index:
        raise UserError(
            f"{work.shards(nj)}: all {len(excluded)} utterances are excluded: {next(iter(excluded.values()))}"
        )
    # From here on the directory is neither the old nor the new result.
    (work.directory / stamp.NAME).unlink(missing_ok=True)
    matrices = ((key, ark.load_mat(index[key])) for key in sorted(index))
    ark.write(work.directory / "feats", matrices, work.experiment.features.storage)
    with atomic_file(work.directory / "excluded.tsv") as file:
        file.write("item\treason\n")
        file.writelines(f"{utterance}\t{excluded[utterance]}\n" for utterance in sorted(excluded))
    info = {"encoder": work.encoder.name}
    info |= {"precision": "+".join(sorted(filter(None, precisions))), "commit": "+".join(sorted(filter(None, commits)))}
    info |= {name: getattr(work.encoder, name) for name in ("layers", "dim", *PROVENANCE)}
    with atomic_file(work.directory / "info.json") as file:
        json.dump(info, file, indent=1)
        file.write("\n")
    stamp.write(work.directory, mark, keep=True)
    for folder in work.directory.glob("shard.*"):
        shutil.rmtree(folder)
    print(f"{work.directory}: {len(index)} utterances, {len(excluded)} excluded", file=sys.stderr)


if __name__ == "__main__":
    run_main(main)
