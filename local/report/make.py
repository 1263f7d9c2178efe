"""Report a recipe's results: exp/ -> RESULTS.md, results/{*.csv,headline.svg}, exp/report/{index.html,*.svg,*.pdf}.

Run in a recipe folder, after stage 5::

    python3 -m local.report.make [--command COMMAND] [--config conf/experiment.yaml] [--set KEY.PATH=VALUE]...

RESULTS.md is for who has a minute: the question, the answer, one table and one figure, the limits. The page has all the
rest: one file that can be sent to somebody. The text is made from the tables of stage 5 alone, and holds no date, so
that the same scores give the same bytes. A file ``results_intro.md`` in the recipe folder, in Markdown, is put on top
of both documents. A smoke run of a study, whose scores are those of stand-ins, writes RESULTS.smoke.md and
results.smoke/ instead, and both documents say so; so does ``--config`` with its own name, and ``--tag``.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from local import corpora, experiment
from utils import stamp
from utils.atomic import atomic_dir, atomic_file
from utils.errors import run_main

if TYPE_CHECKING:
    from local.report.contents import Sources
    from local.report.summary import Summary

INTRO = Path("results_intro.md")
LINES = 120  # of RESULTS.md, at most
# What tables are made by, and the stage to begin with.
FIRST = {"data": 1, "probe": 3, "finetune": 4, "score": 5, "sed": 6, "listen": 7}


def main(argv: Sequence[str] | None = None) -> None:
    """Write the report, unless the one on disk is already of these results."""
    parser = argparse.ArgumentParser(
        prog="python3 -m local.report.make", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    experiment.add_arguments(parser)
    parser.add_argument("--command", help="the command that made the results, to be printed with every table")
    arguments = parser.parse_args(argv)
    config = experiment.load(arguments)
    commands = {stage: arguments.command or _command(arguments, config, stage) for stage in FIRST}
    path = config.results
    reason = stamp.why_stale(config.exp / "report", _stamp(config, commands))
    if reason is None:
        print(f"{path}: up to date")
        return
    print(f"{path}: writing ({reason})")
    from local.report import claims, inputs, listened, study
    from local.report.contents import Sources

    found = inputs.load(Path.cwd().name, config)
    diarized = inputs.diarization(config) if found else None
    sources = Sources(
        config, found, diarized, study.load(config), claims.load(config, found), listened.load(config.exp)
    )
    _write(sources, commands)
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

    from local.report import import_published, inputs
    from local.report.tables import emobox

    settings = {
        "experiment": asdict(config), "commands": commands, "recipe": Path.cwd().name,
        "corpora": {name: inputs.describe(name) for name in config.corpora},
    }  # fmt: skip
    # The documents are among the fingerprints, so that one which was removed or edited is made again.
    made_from = [*inputs.files(config), INTRO]
    made_from += [Path(name) for name in (config.study.reference, config.study.claims) if name]
    made_from += [*emobox.files(config), config.exp / import_published.FILE]
    made_from += [config.results, config.exp / "report/index.html", *sorted(config.kept.glob("*"))]
    # Relative, so that a recipe that is moved with its checkout stays valid.
    made_from += [Path(os.path.relpath(path)) for path in sorted(Path(__file__).parent.glob("templates/*"))]
    return stamp.make(settings, ["local.report.make"], made_from)


def _write(sources: Sources, commands: dict[str, str]) -> None:
    from local.report import contents, page, published, summary
    from local.report.figures import drawing
    from local.report.tables.cells import Table

    config, made = sources.experiment, sources.experiment.exp / "report"
    top, sections = summary.make(sources), contents.sections(sources)
    shown = [*([top.table] if top.table.rows else []), *top.figures]
    drawn = [block for _, blocks in sections for block in blocks if isinstance(block, drawing.Figure)]
    with atomic_dir(made) as folder, atomic_dir(config.kept) as kept:
        drawing.save_all([*drawn, *top.figures], folder)
        for figure in top.figures:
            shutil.copyfile(folder / f"{figure.name}.svg", kept / f"{figure.name}.svg")
        files = published.write(config, kept)
        words = _words(sources, top, commands, files)
        html = {
            "body": page.blocks(shown, commands, folder),
            "sections": [(own, blocks, page.blocks(blocks, commands, folder)) for own, blocks in sections],
        }
        (folder / "index.html").write_text(_render("page.html", words | html), encoding="utf-8")
    if not (files or top.figures):
        config.kept.rmdir()
    with atomic_file(config.results) as file:
        file.write(text := _render("results.md", words))
    if (lines := text.count("\n")) > LINES:
        print(f"warning: {config.results}: {lines} lines, more than {LINES}; shorten {INTRO}", file=sys.stderr)
    tables = sum(isinstance(block, Table) for _, blocks in sections for block in blocks)
    tables += bool(top.table.rows)
    print(f"{config.results}: {lines} lines; {made}/index.html: {tables} tables, {len(drawn)} figures")


def _words(sources: Sources, top: Summary, commands: dict[str, str], files: dict[str, int]) -> dict:
    """What both documents say."""
    config = sources.experiment
    known = sources.inputs.corpora.values() if sources.inputs else [corpora.spec(name) for name in config.corpora]
    linked = [f"[{name}]({config.kept}/{name}) ({number:,})" for name, number in files.items()]
    return {
        "recipe": Path.cwd().name, "exp": config.exp, "kept": config.kept, "files": linked, "top": top,
        "command": commands["data"], "synthetic": [corpus.name for corpus in known if corpus.synthetic],
        "stand_ins": config.study.stand_ins if config.study.smoke else {},
        "intro": INTRO.read_text(encoding="utf-8").strip() if INTRO.is_file() else "",
    }  # fmt: skip


def _render(name: str, words: dict) -> str:
    import jinja2

    from local.report import markdown

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=name.endswith(".html"), trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    environment.filters |= {"inline": markdown.inline, "markdown": markdown.to_html, "wrapped": markdown.wrapped}
    environment.filters |= {"table": markdown.table}
    return environment.get_template(name).render(words)


if __name__ == "__main__":
    run_main(main)
