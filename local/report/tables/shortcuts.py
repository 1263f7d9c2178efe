"""What was not shown to exceed a system without ears: encoders beside duration, level and text, under the same head."""

from __future__ import annotations

from collections.abc import Iterator

from local.report.conditions import Result
from local.report.material import NO_EARS, Inputs, System, baseline
from local.report.tables.cells import DASH, Cell, Table, code, joint_marks, notes
from local.report.tables.cells import with_method as under


def without_ears(inputs: Inputs) -> list[str]:
    """List the encoders that are not given the voice."""
    return [name for name in inputs.encoders if baseline(inputs.specs[name]) == NO_EARS]


def unexceeded(inputs: Inputs, result: Result) -> list[str] | None:
    """Name the systems without ears that a condition was not shown to exceed, with the same head, corpora and folds.

    Parameters
    ----------
    inputs : Inputs
        All results.
    result : Result
        A condition of an encoder that hears.

    Returns
    -------
    list of str or None
        Their encoders: the difference is not above 0, or its q in the family of all these tests is not below the level.
        None where it was compared with none.
    """
    tests = {
        name: inputs.compared(result, System(name, result.system.method))
        for name in without_ears(inputs) if name != result.system.encoder
    }  # fmt: skip
    known = {name: test for name, test in tests.items() if test}
    if not known:
        return None
    return [n for n, t in known.items() if not (t.ahead(result.system).ua > 0 and t.q < inputs.level)]


def _counted(inputs: Inputs) -> dict[System, list[tuple[Result, list[str]]]]:
    """Give, of every system that hears, its conditions and what each was not shown to exceed."""
    deaf = set(without_ears(inputs))
    found: dict[System, list[tuple[Result, list[str]]]] = {}
    for result in inputs.results:
        below = None if result.system.encoder in deaf else unexceeded(inputs, result)
        if below is not None:
            found.setdefault(result.system, []).append((result, below))
    return found


def _compared(inputs: Inputs, system: System, name: str) -> bool:
    return any(inputs.compared(result, System(name, system.method)) for result in inputs.of(system))


def table(inputs: Inputs) -> Table:
    """Every system that hears: in how many conditions it was not shown to exceed what does not."""
    deaf, rows, level = without_ears(inputs), [], inputs.level
    for system, found in _counted(inputs).items():
        either = [result for result, below in found if below]
        which = ", ".join(f"{'+'.join(result.train)} to {result.test}" for result in either)
        counts = [sum(name in below for _, below in found) for name in deaf]
        rows.append(
            [
                Cell(system.encoder, joint_marks(result for result, _ in found)), Cell(system.method),
                Cell(str(len(found))),
                *(Cell(str(n), best=n > 0) if _compared(inputs, system, name) else DASH
                  for name, n in zip(deaf, counts, strict=True)),
                Cell(str(len(either)), best=bool(either)), Cell(which or "none"),
            ]
        )  # fmt: skip
    sizes = {c.family: c.tests for c in inputs.comparisons if c.family.startswith("shortcuts ")}
    families = ", ".join(f"{tests} with {name.removeprefix('shortcuts ')}" for name, tests in sizes.items())
    return Table(
        "shortcuts", "What was not shown to exceed a system without ears",
        f"Conditions in which an encoder was not shown to exceed {code(deaf)}, which see an utterance's duration, "
        f"level or words and nothing else, with the same head, corpora and folds. Not shown: the difference is not "
        f"above 0, or its q (Benjamini and Hochberg) is not below {level:.2g} in the family of a head's "
        f"tests ({families}). *any*: one of them or more." + notes(inputs),
        ["encoder", "head", "conditions", *deaf, "any", "in"], rows,
    )  # fmt: skip


def sentences(inputs: Inputs) -> list[str]:
    """Say how often the encoders exceed what has no ears, under the head that dev prefers."""
    counted = _counted(inputs)
    methods = list(dict.fromkeys(system.method for system in counted))
    if not methods:
        return []
    systems = {method: [system for system in counted if system.method == method] for method in methods}
    method = max(methods, key=lambda one: _dev(inputs, systems[one]))
    parts = []
    for system in systems[method]:
        found = counted[system]
        names = [name for name in without_ears(inputs) if any(name in below for _, below in found)]
        each = ", ".join(f"`{name}` alone in {sum(name in below for _, below in found)}" for name in names)
        either = sum(bool(below) for _, below in found)
        parts.append(f"`{system.encoder}` in {either} of {len(found)}{f' ({each})' if each else ''}.")
    tests = next(c.tests for c in inputs.comparisons if c.family.startswith("shortcuts ") and c.a.method == method)
    chosen = f" {under(inputs, method)}, the best by dev UA," if len(methods) > 1 else ""
    return [
        f"**Without ears**: conditions{chosen} that were not shown to exceed every system that sees no more than "
        f"duration, level or text (q < {inputs.level:.2g}, family of {tests}).",
        *parts,
        *_close(inputs, counted),
    ]


def answer(inputs: Inputs) -> list[str]:
    """Name those corpora, for who reads nothing else."""
    where: dict[str, list[str]] = {}
    for corpus, name, _ in _does_all(inputs, _counted(inputs)):
        where.setdefault(name, []).append(corpus)
    alike: dict[tuple[str, ...], list[str]] = {}
    for name, corpora in where.items():
        alike.setdefault(tuple(corpora), []).append(f"`{name}`")
    if not alike:
        return []
    found = [f"On {', '.join(corpora)}, {' and '.join(names)} reach" + "es" * (len(names) == 1)
             + " what the voice was shown to reach." for corpora, names in alike.items()]  # fmt: skip
    return [
        f"**Shortcuts**: {' '.join(found)} Scores there say little of emotions in the voice. Means without such a "
        "corpus: `--stage probe --set corpora=[...]` with the others."
    ]


def _does_all(
    inputs: Inputs, counted: dict[System, list[tuple[Result, list[str]]]]
) -> Iterator[tuple[str, str, list[tuple[Result, list[str]]]]]:
    """Yield corpora on which a shortcut does all that the voice was shown to do, trained and tested there.

    That nothing was shown is not enough where few speakers allow no small p: intervals must reach to 0 too.
    """
    found: dict[str, list[tuple[Result, list[str]]]] = {}
    for own in counted.values():
        for result, below in own:
            if result.group == "within":
                found.setdefault(result.test, []).append((result, below))
    for corpus, own in found.items():
        for name in without_ears(inputs):
            if all(name in below and _reaches(inputs, result, name) for result, below in own):
                yield corpus, name, own


def _reaches(inputs: Inputs, result: Result, name: str) -> bool:
    test = inputs.compared(result, System(name, result.system.method))
    return test is not None and not test.ahead(result.system).lo > 0


def _close(inputs: Inputs, counted: dict[System, list[tuple[Result, list[str]]]]) -> Iterator[str]:
    """Say of these corpora what both reach."""
    for corpus, name, own in _does_all(inputs, counted):
        best = max((result for result, _ in own), key=lambda result: result.headline.ua)
        bar = inputs.result(System(name, best.system.method), best.train, corpus)
        of = f"{len(own)} systems were" if len(own) > 1 else "1 system was"
        yield (
            f"**On {inputs.label(corpus)}, `{name}` alone comes close to the voice**: {bar.headline}, beside "
            f"{best.headline} of `{inputs.name(best.system)}`, the best by test; {of} not shown "
            f"to exceed it. Means and tests without this corpus need no training: `--stage probe "
            f"--set corpora=[...]` with the others."
        )


def _dev(inputs: Inputs, systems: list[System]) -> float:
    results = [result for system in systems for result in inputs.of(system)]
    return sum(result.dev_ua for result in results) / len(results)
