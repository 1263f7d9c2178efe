"""EMOVO: six Italian actors, 14 sentences, six emotions and neutral, 588 utterances.

Names are ``dis-f1-b1.wav``: emotion (the first letters of its Italian name), actor (f or m, number), sentence: short
(b, brevi), long (l, lunghe), nonsense (n) or a question (d, domande), and its number.
Sources: http://voice.fub.it/activities/corpora/emovo/index.html; Costantini et al., "EMOVO corpus: an Italian
emotional speech database", LREC 2014.
"""

from __future__ import annotations

import re
from pathlib import Path

from local.corpora.records import Utterance
from local.corpora.sources import NOT_UNDERSTOOD, by_name

LAYOUT = "f1/dis-f1-b1.wav and the same in f2/, f3/, m1/, m2/, m3/, or these in a folder such as EMOVO/"
_NAME = re.compile(r"([a-z]{3})-([fm][1-3])-([a-z]\d)", re.IGNORECASE)
_EMOTIONS = {
    "dis": "disgust",  # disgusto
    "gio": "joy",  # gioia
    "pau": "fear",  # paura
    "rab": "anger",  # rabbia
    "sor": "surprise",  # sorpresa
    "tri": "sadness",  # tristezza
    "neu": "neutral",
}
_SENTENCES = {
    "b1": "Gli operai si alzano presto.",
    "b2": "I vigili sono muniti di pistola.",
    "b3": "La cascata fa molto rumore.",
    "l1": "L'autunno prossimo Tony partirà per la Spagna nella prima metà di ottobre.",
    "l2": "Ora prendo la felpa di là ed esco per fare una passeggiata.",
    "l3": "Un attimo dopo s'è incamminato ... ed è inciampato.",
    "l4": "Vorrei il numero telefonico del Signor Piatti.",
    "n1": "La casa forte vuole col pane.",
    "n2": "La forza trova il passo e l'aglio rosso.",
    "n3": "Il gatto sta scorrendo nella pera.",
    "n4": "Insalata pastasciutta coscia d'agnello limoncello.",
    "n5": "Uno quarantatré dieci mille cinquantasette venti.",
    "d1": "Sabato sera cosa farà?",
    "d2": "Porti con te quella cosa?",
}


def _understand(path: Path, emotion: str, speaker: str, sentence: str) -> Utterance | str:
    emotion, speaker, sentence = emotion.lower(), speaker.lower(), sentence.lower()
    if sentence not in _SENTENCES:
        return NOT_UNDERSTOOD
    return Utterance(
        name=path.stem.lower(), speaker=speaker, path=path, emotion=_EMOTIONS.get(emotion, emotion),
        gender=speaker[0], text=_SENTENCES[sentence], sentence=sentence,
    )  # fmt: skip


check, scan = by_name(LAYOUT, _NAME, _understand)
