"""Write the table of all corpora: conf/corpora.yaml, egs/*/conf/experiment.yaml -> egs/README.md.

    python3 -m local.corpora.overview

To be run again after a change of the registry or of the corpora that a recipe names.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from local import labels
from local.corpora import registry
from local.corpora.registry import CorpusSpec
from local.experiment import Experiment
from utils import config
from utils.atomic import atomic_file
from utils.errors import run_main
from utils.registry import REPO

EGS = REPO / "egs"
NONE = "–"
HEAD = """# Recipes and corpora

Written by `python3 -m local.corpora.overview` from [`conf/corpora.yaml`](../conf/corpora.yaml) and the recipes'
experiments.

A corpus has a recipe of its own, whose README says how to get it, where to put it and what to watch out for. The tables
describe whole corpora as their makers do, which is what stage 1 compares with what it finds; – where they do not say.
Hours are by the lengths of the files where somebody has measured them.

"""
HOLDS = """## What they hold

*Emotions* are harmonised ([`conf/emotions.yaml`](../conf/emotions.yaml)), each with the number of its utterances
where the makers say. *Times*: whether it is known when within an utterance the emotion is heard.

"""
USED = """## How to get them, and where they are used

*Run here on*: how much of the corpus's real audio these recipes have been run on; modules that have seen none are
tested on small trees with the corpus's official names. *Studies*: A, B and C of the [README](../README.md).

"""
NAMES = {
    "bn": "Bangla", "de": "German", "el": "Greek", "en": "English", "fa": "Persian", "it": "Italian", "mul": "several",
    "pl": "Polish", "th": "Thai", "ur": "Urdu", "zh": "Mandarin",
}  # fmt: skip


def main() -> None:
    """Run the command."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    path = EGS / "README.md"
    with atomic_file(path) as file:
        file.write(overview())
    print(f"{path}: {len(_specs())} corpora")


def overview() -> str:
    """Make the text of ``egs/README.md``, which depends on nothing but the registry and the recipes.

    Raises
    ------
    UserError
        An entry of the registry or a recipe's experiment is malformed.
    """
    recipes = recipes_of()
    holds = [
        [f"`{spec.name}`", _title(spec), NAMES.get(spec.language, spec.language), spec.country,
         _count(spec.expected.speakers), _count(spec.expected.utterances),
         f"{spec.expected.hours:g}" if spec.expected.hours else "", _emotions(spec), spec.style,
         "yes" if spec.segment_level else "no"]
        for spec in _specs()
    ]  # fmt: skip
    used = [
        [f"`{spec.name}`", spec.licence, _link(spec.source),
         spec.access + (" (`--stage download`)" if spec.download else ""),
         ", ".join(f"[`{recipe}`]({recipe}/README.md)" for recipe in recipes.get(spec.name, [])),
         ", ".join(spec.studies), spec.tried_on]
        for spec in _specs()
    ]  # fmt: skip
    holds_head = ["corpus", "title", "language", "speakers from", "speakers", "utterances", "hours", "emotions"]
    holds_head += ["style", "times"]
    used_head = ["corpus", "licence", "official source", "access", "recipes", "studies", "run here on"]
    return f"{HEAD}{HOLDS}{_table(holds_head, holds)}\n{USED}{_table(used_head, used)}"


def recipes_of() -> dict[str, list[str]]:
    """Tell which recipes name each corpus, sorted."""
    found: dict[str, list[str]] = {}
    for path in sorted(EGS.glob("*/conf/experiment.yaml")):
        for corpus in config.load(Experiment, path).prepared:
            found.setdefault(corpus, []).append(path.parent.parent.name)
    return found


def _specs() -> list[CorpusSpec]:
    """All corpora of the repository: real ones by name, then the bundled."""
    specs = [registry.spec(name, REPO) for name in registry.names(REPO)]
    return sorted(specs, key=lambda spec: (spec.synthetic, spec.name))


def _title(spec: CorpusSpec) -> str:
    return f"{spec.title} (**synthetic**)" if spec.synthetic else spec.title


def _emotions(spec: CorpusSpec) -> str:
    words = registry.emotion_words(spec, recipe=REPO)
    own: dict[str, int] = {}
    for word, number in spec.expected.emotions.items():
        emotion = words.get(word.casefold(), labels.LEFT_OUT) or f"{word} (left out)"
        own[emotion] = own.get(emotion, 0) + number
    return ", ".join(f"{emotion} {number}" if number else emotion for emotion, number in sorted(own.items()))


def _count(number: int) -> str:
    return f"{number:,}" if number else ""


def _link(source: str) -> str:
    return f"<{source}>" if source.startswith("http") else source


def _table(header: list[str], rows: Iterable[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *([cell.replace("|", "\\|") or NONE for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    run_main(main)
