"""Run an encoder over its share of an experiment's utterances:

    python3 -m local.features.extract --encoder mini[,...] --job 1 --nj 4 [--ngpu 1] [--config C] [--set KEY=VALUE]...

Writes dump/<encoder>/<corpus>/shard.<nj>/feats.<job>.{ark,scp}; local.features.merge puts the jobs' parts
together. An interrupted job goes on at the utterances that are missing.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator

from local import encoders, experiment
from local.encoders import needs
from local.features.shard import Shard
from local.features.work import Work, all_work
from utils import device
from utils.data_dir import Utterance
from utils.errors import UserError, run_main


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    experiment.add_arguments(parser)
    parser.add_argument("--encoder", required=True, help="name of the encoder, as in the experiment, or several (a,b)")
    parser.add_argument("--job", type=int, default=1, help="which share, from 1 (default: 1)")
    parser.add_argument("--nj", type=int, default=1, help="number of shares (default: 1)")
    parser.add_argument("--ngpu", type=int, default=0, help="GPUs that the jobs share; 0 runs on the CPU (default: 0)")
    arguments = parser.parse_args()
    if not 1 <= arguments.job <= arguments.nj:
        raise UserError(f"--job {arguments.job}: expected 1 to --nj, which is {arguments.nj}")
    wanted = experiment.load(arguments)
    where = device.choose(arguments.job, arguments.ngpu)
    for name in arguments.encoder.split(","):
        extract(all_work(wanted, name), arguments.job, arguments.nj, where)


def extract(works: list[Work], job: int, nj: int, device: str) -> None:
    """Make a job's share of one encoder's features, but for what is up to date.

    Raises
    ------
    UserError
        An utterance's audio cannot be read (it is named), or the encoder cannot be had.
    """
    with contextlib.ExitStack() as opened:
        shares = []
        for work in works:
            if needs.unavailable(work.encoder, work.data):
                continue
            if work.why_stale() is None:
                print(f"{work.directory}: up to date", file=sys.stderr)
                continue
            shard = opened.enter_context(contextlib.closing(Shard(work.shards(nj), job, work.stamp())))
            mine = work.batches()[job - 1 :: nj]
            rest = [batch for batch in mine if not all(utterance.id in shard.done for utterance in batch)]
            if len(rest) < len(mine):
                there = len(mine) - len(rest)
                print(f"{work.directory}: going on, {there} of {len(mine)} batches are there", file=sys.stderr)
            shares.append((work, shard, rest))
        if any(rest for _, _, rest in shares):
            import torch  # here, where it is clear that there is work

            encoder = encoders.load(works[0].encoder, device, works[0].experiment.features.precision)
            threads = torch.get_num_threads()
            for work, shard, rest in shares:
                if rest:
                    _run(encoder, work, shard, rest, threads if device == "cpu" else 1)


def _run(encoder: encoders.Encoder, work: Work, shard: Shard, batches: list[list[Utterance]], threads: int) -> None:
    from local.features import pipeline
    from local.features.progress import Progress

    shard.note(encoder.precision, encoder.commit)
    seconds = [sum(utterance.duration for utterance in batch) for batch in batches]
    decode = work.inputs() or pipeline.load
    results: Iterator = pipeline.run(encoder, batches, threads, work.experiment.features.workers, decode)
    with Progress(f"{work.encoder.name} on {work.corpus}", sum(seconds)) as progress:
        for length, result in zip(seconds, results, strict=True):
            for utterance, matrix in result:
                # Of a batch that was cut short, all are computed again, for the same bits as without interruption.
                if utterance in shard.done:
                    continue
                if matrix is None:
                    shard.exclude(
                        utterance,
                        f"shorter than {encoder.min_samples} samples at 16 kHz, which {work.encoder.name} needs",
                    )
                else:
                    shard.write(utterance, matrix)
            progress.add(length)


if __name__ == "__main__":
    run_main(main)
