"""Report a recipe's results: exp/ -> RESULTS.md, exp/report/{index.html,*.png,*.pdf}.

Run in a recipe folder, after stage 5::

    python3 -m local.report.make [--command COMMAND] [--config conf/experiment.yaml] [--set KEY.PATH=VALUE]...

The text is made from the tables of stage 5 alone, and holds no date, so that the same scores give the same
bytes. A file ``results_intro.md`` in the recipe folder, in Markdown, is put on top of both documents.
``exp/report/index.html`` is self-contained: one file that can be sent to somebody. A smoke run of a study, whose
scores are those of stand-ins, writes RESULTS.smoke.md instead, and both documents say so; so does ``--config`` with its
own name, and ``--tag``.
"""

from __future__ import annotations

import argparse
import base64
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from local import corpora, experiment
from utils import stamp
from utils.atomic import atomic_dir, atomic_file
from utils.errors import run_main

if TYPE_CHECKING:
    from local.report.figures.drawing import Figure
    from local.report.material import Diarization, Inputs
    from local.report.study import Study
    from local.report.tables.cells import Table

INTRO = Path("results_intro.md")
SHOWN = 40  # rows of a long table that RESULTS.md prints
FIRST = {"data": 1, "probe": 3, "finetune": 4, "sed": 6}  # what tables are made by, and the stage to begin with


def main(argv: Sequence[str] | None = None) -> None:
    """Write the report, unless the one on disk is already of these results."""
    parser = argparse.ArgumentParser(
        prog="python3 -m local.report.make", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    experiment.add_arguments(parser)
    parser.add_argument("--command", help="the command that made the results, to be printed with every table")
    arguments = parser.parse_args(argv)
    config = experiment.load(arguments)
    recipe = Path.cwd().name
    commands = {stage: arguments.command or _command(arguments, config, stage) for stage in FIRST}
    from local.report import inputs, study

    path = config.results
    reason = stamp.why_stale(config.exp / "report", _stamp(config, commands))
    if reason is None:
        print(f"{path}: up to date")
        return
    print(f"{path}: writing ({reason})")
    content, published = inputs.load(recipe, config), study.load(config)
    if content is None:
        _write_without_results(config, published, commands)
    else:
        _write(content, published, inputs.diarization(config), commands)
    stamp.write(config.exp / "report", _stamp(config, commands))


def _command(arguments: argparse.Namespace, config: experiment.Experiment, stage: str) -> str:
    """Make the command line that repeats the stages from one on, with the options that matter."""
    options = [] if str(arguments.config) == "conf/experiment.yaml" else ["--config", str(arguments.config)]
    options += [word for override in arguments.overrides for word in ("--set", override)]
    if stage == "data" and not all(corpora.spec(name).root for name in config.corpora):
        options += ["--db-root", "DIR"]
    return shlex.join(["./run.sh", "--stage", str(FIRST[stage]), "--stop-stage", "8", *options])


def _stamp(config: experiment.Experiment, commands: dict[str, str]) -> dict:
    from dataclasses import asdict

    from local.report import inputs

    settings = {
        "experiment": asdict(config), "commands": commands, "recipe": Path.cwd().name,
        "corpora": {name: inputs.describe(name) for name in config.corpora},
    }  # fmt: skip
    # The documents are among the fingerprints, so that one which was removed or edited is made again.
    made_from = [*inputs.files(config), INTRO]
    made_from += [Path(config.study.reference)] if config.study.reference else []
    made_from += [config.results, config.exp / "report/index.html"]
    # Relative, so that a recipe that is moved with its checkout stays valid.
    made_from += [Path(os.path.relpath(path)) for path in sorted(Path(__file__).parent.glob("templates/*"))]
    return stamp.make(settings, ["local.report.make"], made_from)


def _write(content: Inputs, published: Study | None, diarization: Diarization | None, commands: dict[str, str]) -> None:
    from local.report import contents, findings, sed, study
    from local.report.tables import audit

    config = content.experiment
    shown, drawn = contents.tables(content), list(contents.figures(content))
    if published:
        shown.insert(0, study.beside(published, content))
    words = {
        "asked": findings.asked(content), "found": findings.found(content), "caveats": findings.caveats(content),
        "audited": audit.in_words(content),
        "synthetic": [corpus.name for corpus in content.corpora.values() if corpus.synthetic],
    }  # fmt: skip
    if diarization:
        shown, drawn = [*shown, *sed.tables(diarization)], [*drawn, *sed.figures(diarization)]
        words["asked"].append(sed.asked(config, diarization))
        words["found"] += sed.sentences(diarization)
    _publish(config, shown, words, commands, drawn)


def _write_without_results(config: experiment.Experiment, published: Study, commands: dict[str, str]) -> None:
    """Write what a study has published, beside nothing yet."""
    from local.report import study

    words = {
        "asked": [study.asked(config)], "found": ["**Nothing has been run here yet.** The columns of ours are empty."],
        "caveats": [], "audited": [], "synthetic": [],
    }  # fmt: skip
    _publish(config, [study.beside(published, None)], words, commands, [])


def _publish(
    config: experiment.Experiment, shown: list[Table], words: dict[str, list[str]], commands: dict[str, str],
    drawn: list[Figure],
) -> None:  # fmt: skip
    from local.report.figures import drawing

    made = config.exp / "report"
    with atomic_dir(made) as folder:
        drawing.save_all(drawn, folder)
        pictures = [
            (figure, base64.b64encode((folder / f"{figure.name}.png").read_bytes()).decode()) for figure in drawn
        ]
        page = _render("page.html", config, shown, words, commands, pictures)
        (folder / "index.html").write_text(page, encoding="utf-8")
    path = config.results
    with atomic_file(path) as file:
        file.write(_render("results.md", config, shown, words, commands, pictures))
    print(f"{path}: {len(shown)} tables; {made}/index.html: {len(drawn)} figures")


def _render(
    name: str, config: experiment.Experiment, shown: list[Table], words: dict[str, list[str]],
    commands: dict[str, str], pictures: list,
) -> str:  # fmt: skip
    """Fill a template; both get the same words and the same cells."""
    import jinja2

    from local.report import markdown
    from local.report.tables.cells import MARKS

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=name.endswith(".html"), trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    environment.filters |= {"inline": markdown.inline, "markdown": markdown.to_html}
    return environment.get_template(name).render(
        recipe=Path.cwd().name,
        exp=config.exp,
        stand_ins=config.study.stand_ins if config.study.smoke else {},
        intro=INTRO.read_text(encoding="utf-8").strip() if INTRO.is_file() else "",
        **words,
        tables=shown,
        pictures=pictures,
        commands=commands,
        marks=MARKS,
        limit=SHOWN,
        markdown_table=markdown.table,
    )


if __name__ == "__main__":
    run_main(main)
