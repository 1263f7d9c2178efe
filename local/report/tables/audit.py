"""Tables of stage 1's audit: what the parts of folds share, and what can be guessed without hearing the voice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from local.report.material import Corpus, Inputs
from local.report.tables.cells import DASH, Cell, Table, code, number

PARTS = ("train", "dev", "test")


def in_words(inputs: Inputs) -> Table:
    """What the audit of each corpus found, in its own words."""
    rows = [
        [Cell(label), *(Cell(part) for part in line.partition(": ")[::2])]
        for _, label, found in _audited(inputs) for line in found["summary"]
    ]  # fmt: skip
    caption = "What `data/<corpus>/audit.json` says in words; UA as fractions of 1."
    return Table("audit-words", "The audit in words", caption, ["corpus", "of", "found"], rows, made_by="data")


def _audited(inputs: Inputs) -> Iterator[tuple[Corpus, str, dict]]:
    """Yield corpora with their label, in which the scheme is named where there are several, and what was found."""
    schemes = inputs.values("split")
    for corpus in inputs.corpora.values():
        for scheme in schemes:
            found = (corpus.audit or {}).get("schemes", {}).get(scheme)
            if found:
                yield corpus, corpus.label + (f", {scheme} folds" if len(schemes) > 1 else ""), found


def by_corpus(inputs: Inputs) -> Table:
    """Every audited corpus: what its folds share, and what is reached without ears."""
    rows = []
    for corpus, label, found in _audited(inputs):
        folds, test = found["folds"], found["test"]
        if found["one_speaker"]:
            disjoint = Cell("one speaker", best=True)
        else:
            disjoint = Cell("yes") if found["speakers_disjoint"] else Cell("no", best=True)
        rows.append(
            [
                Cell(label),
                disjoint,
                *(_seen([fold["test_seen"][kind] for fold in folds]) for kind in ("sentences", "sessions")),
                Cell(str(len(corpus.audit["audio"]["duplicates"]))),
                Cell(str(sum(fold["shared"]["audio"]["train_test"] for fold in folds))),
                Cell(str(len(corpus.audit["audio"]["near_duplicates"]))),
                _count(sum(fold["shared"]["near"]["train_test"] for fold in folds)),
                Cell(str(test["distinct"])),
                Cell(str(test["repeated"])),
                _count(sum(found["voices_elsewhere"].values())),
                _count(sum(counts["trained"] for counts in found["copies_elsewhere"].values())),
                number(min(found["effective_speakers"].values()), scale=1),
                *(number(s["ua"]) if s else DASH for s in found["shortcuts"].values()),
                number(found["shortcuts"]["speaker"]["chance"]),
            ]
        )
    names = next((list(found["shortcuts"]) for _, _, found in _audited(inputs)), [])
    return Table(
        "audit",
        "Audit of the folds",
        f"Scheme {code(inputs.values('split'))}. *speakers apart*: no test speaker is in train or dev. "
        f"*sentences*, *sessions*: test utterances whose prompt, or recording session, is also in train, in percent "
        f"(range over folds; – where the corpus does not name them). *identical*: groups of utterances with the same "
        f"samples; *nearly*: of other samples that sound the same, so that one is a copy of the other or overlaps it "
        f"(docs/audit.md); *in both*: how often, over all folds, such a group lies in train and test. *trained "
        f"elsewhere*, *copies elsewhere*: people, and utterances, that are tested in a fold in which another corpus "
        f"trains on them. *effective speakers*: of the emotion "
        f"that has the fewest, Kish's number, in which people count by how much they say. *by ...*: UA in percent of "
        f"classifiers that see only an utterance's duration or level (a straight line, or bins), or its text; chance "
        f"is {100 * inputs.chance:.0f}. *by speaker*: who is told the emotion that each person says more than others; "
        f"its chance is what emotions dealt out at random give.",
        ["corpus", "speakers apart", "sentences", "sessions", "identical", "identical in both", "nearly",
         "nearly in both", "tested", "tested again", "trained elsewhere", "copies elsewhere",
         "effective speakers", *(f"by {name}" for name in names), "chance by speaker"],
        rows,
        made_by="data",
    )  # fmt: skip


def _seen(shares: Iterable[float | None]) -> Cell:
    known = [100 * share for share in shares if share is not None]
    if not known:
        return DASH
    low, high = f"{min(known):.0f}", f"{max(known):.0f}"
    return Cell(low if low == high else f"{low} to {high}", value=max(known))


def by_fold(inputs: Inputs) -> Table:
    """Every fold of the audited corpora: its size, and what its parts share."""
    rows = []
    for _, label, found in _audited(inputs):
        for index, fold in enumerate(found["folds"]):
            shared = fold["shared"]["speakers"]
            rows.append(
                [
                    Cell(label),
                    Cell(str(index)),
                    *(Cell(str(sum(fold["n"][part].values()))) for part in PARTS),
                    *(Cell(str(fold["speakers"][part])) for part in PARTS),
                    *(_count(shared[pair]) for pair in ("train_test", "dev_test", "train_dev")),
                    *(_seen([fold["test_seen"][kind]]) for kind in ("sentences", "sessions", "audio", "near")),
                ]
            )
    return Table(
        "audit-folds",
        "Audit, fold by fold",
        "Utterances (n) and speakers of each part; speakers that two parts share; and test utterances whose sentence, "
        "session, very samples or copy are also in train, in percent.",
        ["corpus", "fold", *(f"n {part}" for part in PARTS), *(f"speakers {part}" for part in PARTS),
         "in train and test", "in dev and test", "in train and dev", "sentences", "sessions", "identical", "nearly"],
        rows,
        made_by="data",
    )  # fmt: skip


def _count(shared: int) -> Cell:
    return Cell(str(shared), best=shared > 0)
