"""Say what a recipe can be told, and what it is told: every field of its experiment.

    cd egs/<recipe> && python3 -m local.experiment --set probe.epochs=20

A line is a field with its value, ready for ``--set``; ``*`` marks values that differ from the default.
``--markdown`` writes the reference instead, docs/configuration.md: the same fields with their defaults.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

from local import experiment
from local.experiment.schema import Experiment
from utils.config_fields import Described, describe
from utils.errors import UserError, run_main

REFERENCE = """\
# Every field of an experiment

They stand in a recipe's `conf/experiment.yaml`, and any can be set on the command line:
`egs/emodb/run.sh --set probe.epochs=20 --set probe.heads=[linear,mlp]`. With `--list-fields` a recipe's `run.sh` prints
them with its own values. Fields after `[]` belong to every item of a list: `pretrain: [{name: own, data: [emodb]}]`.

Made of the comments in `local/experiment/{schema,tuning,outside,listen}.py`:
`python3 -m local.experiment --markdown > docs/configuration.md`.
"""


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python3 -m local.experiment", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    experiment.add_arguments(parser)
    parser.add_argument("--markdown", action="store_true", help="write docs/configuration.md to standard output")
    parser.add_argument(
        "--get", metavar="NAME", action="append", default=[],
        help="print one value alone, a line each: a field, exp or results (their paths), prepared (corpora), "
        "pretrained or tuned (encoders)",
    )  # fmt: skip
    arguments = parser.parse_args()
    if arguments.markdown:
        print(markdown(), end="")
        return
    settings = experiment.load(arguments)
    for name in arguments.get:
        try:
            value = functools.reduce(getattr, name.split("."), settings)
        except AttributeError:
            raise UserError(f"--get {name}: there is no such field") from None
        print(*value if isinstance(value, list) else [value])
    if arguments.get:
        return
    print(f"{arguments.config}: set any of these with --set FIELD=VALUE; * differs from the default")
    for line in resolved(settings):
        print(line)


def resolved(settings: Experiment) -> Iterator[str]:
    """Yield a line a field: its value, what it means, the words it knows and, where it is another, the default."""
    for one in describe(Experiment):
        if one.section:
            yield f"\n{one.name}: {_sentence(one)}"
            continue
        mark, assignment, notes = " ", one.name, [f"one of {' | '.join(one.words)}"] if one.words else []
        if "[]" not in one.name:
            value = functools.reduce(getattr, one.name.split("."), settings)
            assignment += f"={_yaml(value)}"
            if value != one.default:
                mark, notes = "*", [*notes, f"default {_yaml(one.default)}"]
        yield f"{mark} {assignment:<40} {_sentence(one)}" + (f" [{'; '.join(notes)}]" if notes else "")


def markdown() -> str:
    """Write the reference of all fields: a table a section."""
    text, table = f"{REFERENCE}\n", "| field | default | meaning | one of |\n|---|---|---|---|\n"
    text += table
    for one in describe(Experiment):
        if one.section:
            text += f"\n## {one.name}\n\n{_sentence(one)}.\n\n{table}"
            continue
        default = "must be given" if one.default is dataclasses.MISSING else f"`{_yaml(one.default)}`"
        words, meaning = ", ".join(f"`{word}`" for word in one.words), _sentence(one).replace("|", r"\|")
        text += f"| `{one.name}` | {default} | {meaning} | {words} |\n"
    return text


def _sentence(one: Described) -> str:
    text = " ".join(one.comment.replace("``", "`").split()).removesuffix(".")
    return text[:1].upper() + text[1:]


def _yaml(value: Any) -> str:
    """Write a value in one line, as ``--set`` reads it."""
    import yaml

    if isinstance(value, list):
        value = [dataclasses.asdict(one) if dataclasses.is_dataclass(one) else one for one in value]
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=float("inf"))
    return text.removesuffix("\n").removesuffix("\n...")


if __name__ == "__main__":
    run_main(main)
