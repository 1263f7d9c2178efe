"""What data directories say of tested utterances: a woman or a man, which sentence, and whether training heard it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from local.results.corpus import left_out
from local.results.read import Finished
from utils.data_dir import read_utt2
from utils.folds import read_folds
from utils.table import read_table

if TYPE_CHECKING:
    import numpy as np

TABLES = ("utt2spk", "spk2gender", "utt2sent", "text")
T = TypeVar("T")


class Facts:
    """Tables of the recipe's data directories, each read once.

    A table that a corpus does not have is an empty one.
    """

    def __init__(self) -> None:
        self._known: dict[tuple, object] = {}

    def speaker(self, corpus: str) -> dict[str, str]:
        """Utterance to its speaker."""
        return self._once(("speaker", corpus), lambda: read_utt2(Path("data", corpus), "spk"))

    def gender(self, corpus: str) -> dict[str, str]:
        """Utterance to ``f`` or ``m``, of a corpus whose ``spk2gender`` says so."""
        return self._once(("gender", corpus), lambda: _gender(Path("data", corpus), self.speaker(corpus)))

    def sentence(self, corpus: str) -> dict[str, str]:
        """Utterance to the sentence that it says: of ``utt2sent`` or else, word for word, of ``text``."""
        return self._once(("sentence", corpus), lambda: _sentence(Path("data", corpus), self.speaker(corpus)))

    def seen(self, condition: Finished) -> np.ndarray | None:
        """Tell whether each tested utterance says a sentence that is trained on in the fold that tests it.

        That is of the train list or, where inner folds choose (``select: nested``), of train and dev.

        Returns
        -------
        ndarray of bool, shape (utterances,), or None
            None where the test corpus does not name its sentences.
        """
        import numpy as np

        said, factors = self.sentence(condition.test), condition.factors
        if not said:
            return None
        trained = dict.fromkeys([*factors.get("source", ()), *factors["train"]])
        nested = condition.meta.get("resolved", {}).get("select") == "nested"
        parts = ("train", "dev") if nested else ("train",)
        lists = [self._trained(name, factors["encoder"], factors["split"], parts) for name in trained]
        seen = [
            any(said[utt] in folds[k] for folds in lists)
            for utt, k in zip(condition.utts.tolist(), condition.fold.tolist(), strict=True)
        ]
        return np.array(seen)

    def _trained(self, corpus: str, encoder: str, scheme: str, parts: tuple[str, ...]) -> list[set[str]]:
        """Sentences of some lists of each fold, but for utterances that the encoder could not take."""

        def read() -> list[set[str]]:
            said = self.sentence(corpus)
            left = left_out(corpus, encoder)
            folds = read_folds(Path("data", corpus, "folds", scheme))
            return [
                {said[utt] for part in parts for utt in fold[part] if utt in said and utt not in left} for fold in folds
            ]

        return self._once(("trained", corpus, encoder, scheme, parts), read)

    def _once(self, key: tuple, read: Callable[[], T]) -> T:
        if key not in self._known:
            self._known[key] = read()
        return self._known[key]


def _gender(data: Path, speakers: Mapping[str, str]) -> dict[str, str]:
    if not (data / "spk2gender").is_file():
        return {}
    gender = read_table(data / "spk2gender")
    return {utt: gender[speaker] for utt, speaker in speakers.items() if speaker in gender}


def _sentence(data: Path, utterances: Iterable[str]) -> dict[str, str]:
    whole = set(utterances)
    for name in ("utt2sent", "text"):
        table = read_table(data / name) if (data / name).is_file() else {}
        # A transcript may be empty; then the corpus counts as having none.
        if whole <= {utt for utt, sentence in table.items() if sentence}:
            return table
    return {}
