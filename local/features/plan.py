"""Say which features must be made:

    python3 -m local.features.plan [--config conf/experiment.yaml] [--set KEY=VALUE]...

Prints one line a corpus and encoder to standard error (up to date, or why it must be made), and to standard
output the names of encoders that have work, for the driver to run local.features.extract on: one a line, but for those
that take less time than a process that starts for each of them, as they have no checkpoint or a small one; these share
the first line.
"""

from __future__ import annotations

import argparse
import sys

from local import experiment
from local.encoders import EncoderSpec, needs
from local.features.work import all_work
from utils.errors import UserError, run_main


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    experiment.add_arguments(parser)
    wanted = experiment.load(parser.parse_args())
    to_do: dict[str, EncoderSpec] = {}
    works, said = all_work(wanted), set()
    for work in works:
        name = work.encoder.name
        reason = needs.unavailable(work.encoder, work.data)
        if reason:
            if (name, reason) not in said:
                print(f"dump/{name}: skipped: {reason}", file=sys.stderr)
            said.add((name, reason))
            continue
        stale = work.why_stale()
        if stale is None:
            print(f"{work.directory}: up to date", file=sys.stderr)
            continue
        work.encoder.check_present()
        work.utterances()
        print(f"{work.directory}: to be made: {stale}", file=sys.stderr)
        to_do[name] = work.encoder
    if all(needs.unavailable(work.encoder, work.data) for work in works):
        raise UserError(f"none of the encoders {', '.join(wanted.encoders)} can run here")
    quick = [name for name, spec in to_do.items() if spec.small]
    for names in (quick, *([name] for name in to_do if name not in quick)):
        if names:
            print(",".join(names))


if __name__ == "__main__":
    run_main(main)
