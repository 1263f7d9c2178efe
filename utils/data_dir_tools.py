"""The commands on data directories, behind Kaldi's names (utils/validate_data_dir.sh and so on).

``python3 -m utils.data_dir_tools validate|fix|subset|combine|split|utt2spk_to_spk2utt|spk2utt_to_utt2spk ...``
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable
from pathlib import Path

from utils import data_dir_ops, data_dir_parts
from utils.data_dir import invert
from utils.data_dir_check import validate
from utils.errors import UserError, run_main
from utils.table import read_list, read_table

SUBSET_USAGE = """
  subset_data_dir.sh [--speakers|--shortest|--first|--last|--per-spk] <srcdir> <num-utt> <destdir>
  subset_data_dir.sh --spk-list <speaker-list-file> <srcdir> <destdir>
  subset_data_dir.sh --utt-list <utterance-list-file> <srcdir> <destdir>
e.g.: subset_data_dir.sh --utt-list data/emodb/folds/speaker/0/test data/emodb data/emodb_test0"""


def main() -> int | None:
    """Run the subcommand that the command line names."""
    parser = argparse.ArgumentParser(
        prog="python3 -m utils.data_dir_tools", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    _add_commands(parser.add_subparsers(required=True, metavar="COMMAND"))
    arguments = parser.parse_args()
    arguments.say = lambda line: print(f"{arguments.prog}: {line}", flush=True)
    arguments.run(arguments)


def _add_commands(commands: argparse._SubParsersAction) -> None:
    add = functools.partial(_add, commands)
    parser = add("validate", "validate_data_dir.sh", _validate, "data/emodb")
    parser.add_argument("--no-wav", action="store_true", help="wav.scp need not be there (it is checked if it is)")
    parser.add_argument(
        "--no-spk-sort", action="store_true", help="utt2spk need not be sorted by speaker as well as by utterance"
    )
    for option, name in (("--no-text", "text"), ("--no-feats", "feats.scp")):
        parser.add_argument(option, action="store_true", help=f"taken as in Kaldi; here {name} never has to be there")
    parser.add_argument("--non-print", action="store_true", help="taken as in Kaldi; here text may hold any character")
    parser.add_argument("data_dir", metavar="<data-dir>", type=Path)

    parser = add("fix", "fix_data_dir.sh", _fix, "data/emodb")
    for kind, noun in (("utt", "utterance"), ("spk", "speaker")):
        parser.add_argument(
            f"--{kind}-extra-files", f"--{kind}_extra_files", metavar="'FILE1 FILE2 ...'", default="",
            help=f"further files keyed by {noun}; all named {kind}2* are done anyway",
        )  # fmt: skip
    parser.add_argument("data_dir", metavar="<data-dir>", type=Path)

    parser = add("subset", "subset_data_dir.sh", _subset, "", usage=SUBSET_USAGE)
    how = parser.add_mutually_exclusive_group()
    for option, text in {
        "speakers": "enough whole speakers to reach <num-utt> utterances",
        "per-spk": "<num-utt> utterances of each speaker, or all that it has",
        "first": "the first <num-utt> utterances",
        "last": "the last <num-utt> utterances",
        "shortest": "the shortest <num-utt> utterances",
    }.items():
        how.add_argument(f"--{option}", dest="how", action="store_const", const=option, help=text)
    how.add_argument("--spk-list", metavar="FILE", help="the speakers in FILE, one a line")
    how.add_argument("--utt-list", metavar="FILE", help="the utterances in FILE, one a line")
    parser.add_argument("places", nargs="+", metavar="<srcdir> [<num-utt>] <destdir>", help=argparse.SUPPRESS)

    parser = add("combine", "combine_data.sh", _combine, "data/german data/emodb data/pavoque")
    parser.add_argument(
        "--extra-files", "--extra_files", metavar="'FILE1 FILE2 ...'", default="",
        help="further files keyed by utterance; utt2*, spk2* and Kaldi's own are combined anyway",
    )  # fmt: skip
    parser.add_argument("target", metavar="<dest-data-dir>", type=Path)
    parser.add_argument("sources", metavar="<src-data-dir>", type=Path, nargs="+")

    parser = add("split", "split_data.sh", _split, "data/emodb 4")
    parser.add_argument(
        "--per-utt", action="store_true", help="split within speakers too, into <data-dir>/split<num-to-split>utt"
    )
    parser.add_argument("data_dir", metavar="<data-dir>", type=Path)
    parser.add_argument("parts", metavar="<num-to-split>")

    for one, other, run in (("utt2spk", "spk2utt", _utt2spk), ("spk2utt", "utt2spk", _spk2utt)):
        parser = add(f"{one}_to_{other}", f"{one}_to_{other}.sh", run, f"data/emodb/{one} > data/emodb/{other}")
        parser.add_argument("file", metavar=f"<{one}>", nargs="?", default="/dev/stdin")


def _add(
    commands: argparse._SubParsersAction, name: str, prog: str, run: Callable, example: str, **texts: str
) -> argparse.ArgumentParser:
    """Add a command, which the docstring of what runs it describes."""
    description = "\n".join(line.strip() for line in run.__doc__.splitlines())
    parser = commands.add_parser(
        name, prog=prog, help=description.split(".")[0].replace("\n", " "), description=description,
        epilog=example and f"e.g.: {prog} {example}", formatter_class=argparse.RawTextHelpFormatter,
        allow_abbrev=False, **texts,
    )  # fmt: skip
    parser.set_defaults(run=run, prog=prog, error=parser.error)
    return parser


def _validate(arguments: argparse.Namespace) -> None:
    """Check that a data directory keeps Kaldi's contract; the first problem is an error."""
    data_dir = arguments.data_dir
    validate(data_dir, need_wav=not arguments.no_wav, speaker_order=not arguments.no_spk_sort)
    if len(read_table(data_dir / "spk2utt")) == 1:
        arguments.say(f"WARNING: {data_dir} has only one speaker; no split of it can be speaker-independent")
    arguments.say(f"Successfully validated data-directory {data_dir}")


def _fix(arguments: argparse.Namespace) -> None:
    """Sort the tables of a data directory, remove repeated lines, and keep only the utterances,
    speakers and recordings that all tables have. The old tables are kept in <data-dir>/.backup.
    """
    extra = dict.fromkeys(arguments.utt_extra_files.split(), "utt")
    extra |= dict.fromkeys(arguments.spk_extra_files.split(), "spk")
    data_dir_ops.fix(arguments.data_dir, arguments.say, extra)


def _subset(arguments: argparse.Namespace) -> None:
    """Write a data directory with some of another's utterances: by default <num-utt> of them, evenly
    from throughout. The same call always chooses the same utterances.
    """
    by_list = arguments.utt_list or arguments.spk_list
    if len(arguments.places) != (2 if by_list else 3):
        arguments.error(f"expected {'<srcdir> <destdir>' if by_list else '<srcdir> <num-utt> <destdir>'}")
    source, target = Path(arguments.places[0]), Path(arguments.places[-1])
    tables = data_dir_ops.read_tables(source)
    if by_list:
        names, utt2spk = set(read_list(by_list)), tables["utt2spk"]
        here = set(utt2spk) if arguments.utt_list else set(utt2spk.values())
        if unknown := names - here:
            arguments.say(f"WARNING: {len(unknown)} of the {len(names)} names in {by_list} are not in {source}, "
                          f"the first is {min(unknown)}")  # fmt: skip
        chosen = [utt for utt, speaker in utt2spk.items() if (utt if arguments.utt_list else speaker) in names]
        if not chosen:
            raise UserError(f"{by_list}: names nothing that is in {source}")
    else:
        number = _number(arguments, arguments.places[1], "<num-utt>")
        chosen = data_dir_parts.choose(tables, source, arguments.how or "spread", number)
    data_dir_parts.subset(source, target, tables, chosen, arguments.say)


def _number(arguments: argparse.Namespace, text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        arguments.error(f"{what} must be a positive whole number, got '{text}'")
    return int(text)


def _combine(arguments: argparse.Namespace) -> None:
    """Combine data directories into one, with the tables that all of them have."""
    data_dir_ops.combine(arguments.target, arguments.sources, arguments.say, arguments.extra_files.split())


def _split(arguments: argparse.Namespace) -> None:
    """Split a data directory into <data-dir>/split<num-to-split>/1, 2, ... of about the same size,
    each speaker in one of them. A split that is newer than the data is left as it is.
    """
    parts = _number(arguments, arguments.parts, "<num-to-split>")
    data_dir_parts.split(arguments.data_dir, parts, arguments.per_utt, arguments.say)


def _utt2spk(arguments: argparse.Namespace) -> None:
    """Turn utt2spk (a file, or standard input) into spk2utt, on standard output."""
    utt2spk = read_table(arguments.file)
    for number, (utterance, speaker) in enumerate(utt2spk.items(), 1):
        if len(speaker.split()) != 1:
            raise UserError(f"{arguments.file}:{number}: expected '<utterance> <speaker>', got '{utterance} ...'")
    for speaker, utterances in invert(utt2spk).items():
        print(speaker, *utterances)


def _spk2utt(arguments: argparse.Namespace) -> None:
    """Turn spk2utt (a file, or standard input) into utt2spk, on standard output."""
    for speaker, utterances in read_table(arguments.file).items():
        for utterance in utterances.split():
            print(utterance, speaker)


if __name__ == "__main__":
    run_main(main)
