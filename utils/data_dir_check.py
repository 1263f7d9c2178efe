"""The checks of utils/validate_data_dir.sh."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from utils.data_dir import keyed_by, parse_segment, spk2utt, table_names
from utils.errors import UserError
from utils.table import parse_table, positive, read_text

Tables = Mapping[str, Mapping[str, str]]
Check = Callable[[Path, int, str], object]


def validate(data_dir: str | Path, need_wav: bool = True, speaker_order: bool = True) -> None:
    """Check that a data directory keeps Kaldi's contract.

    ``wav.scp`` must be there if ``need_wav`` is set, and is checked if it is there in any case. With ``speaker_order``
    utterances must also be in order when sorted by speaker first.

    Raises
    ------
    UserError
        For the first problem: the file, the line, the value and the mend.
    """
    data_dir = Path(data_dir)
    names = table_names(data_dir)
    required = ["spk2utt"] + ["wav.scp"] * (need_wav or "segments" in names)
    for name in required:
        if name not in names:
            hint = "(if this is by design, specify --no-wav)" if name == "wav.scp" else _mend(data_dir)
            raise UserError(f"{data_dir}/{name}: no such file; {hint}")
    tables = {name: _read(data_dir / name) for name in names}
    for name, table in tables.items():
        _check_values(data_dir / name, table)
    if speaker_order:
        check_speaker_order(data_dir / "utt2spk", tables["utt2spk"])
    _check_spk2utt(data_dir, tables)
    _check_keys(data_dir, tables)
    if "wav.scp" in tables:
        _check_audio(data_dir / "wav.scp", tables["wav.scp"])


def check_speaker_order(path: Path, utt2spk: Mapping[str, str]) -> None:
    """Check that utterances, sorted by id, are also sorted by speaker, as Kaldi's tools assume.

    Raises
    ------
    UserError
        Names the first line whose speaker sorts before that of the line above.
    """
    previous = ""
    for number, (utterance, speaker) in enumerate(utt2spk.items(), 1):
        if speaker < previous:
            raise UserError(
                f"{path}:{number}: {utterance} of the speaker {speaker} comes after an utterance of {previous}, so the "
                "order by utterance is not the order by speaker; make speaker ids prefixes of utterance ids"
            )
        previous = speaker


def _mend(data_dir: Path) -> str:
    return f"run utils/fix_data_dir.sh {data_dir}"


def _read(path: Path) -> dict[str, str]:
    text = read_text(path)
    if not text:
        raise UserError(f"{path}: the file is empty; remove it, or make it again")
    if not text.endswith("\n"):
        raise UserError(f"{path}:{text.count(chr(10)) + 1}: the last line has no line end; {_mend(path.parent)}")
    if "\r" in text:
        line = text.count("\n", 0, text.index("\r")) + 1
        raise UserError(f"{path}:{line}: holds a carriage return (DOS line end); {_mend(path.parent)}")
    if path.name == "text" and (match := re.search(r"[^\S \t\n]", text)):
        line = text.count("\n", 0, match.start()) + 1
        raise UserError(f"{path}:{line}: holds the white space U+{ord(match[0]):04X}; put an ordinary space there")
    table = parse_table(path, text)
    previous = ""
    for number, key in enumerate(table, 1):
        if key < previous:
            raise UserError(f"{path}:{number}: {key} is not in C-locale order after {previous}; {_mend(path.parent)}")
        previous = key
    return table


def _check_spk2utt(data_dir: Path, tables: Tables) -> None:
    expected, found = spk2utt(tables["utt2spk"]), tables["spk2utt"]
    for number, (speaker, utterances) in enumerate(found.items(), 1):
        if " ".join(utterances.split()) != expected.get(speaker):
            raise UserError(
                f"{data_dir}/spk2utt:{number}: the utterances of {speaker} are not those in utt2spk; {_mend(data_dir)}"
            )
    missing = expected.keys() - found.keys()
    if missing:
        raise UserError(f"{data_dir}/spk2utt: the speaker {min(missing)} of utt2spk is missing; {_mend(data_dir)}")


def _check_keys(data_dir: Path, tables: Tables) -> None:
    # What the key is, what there must be of it, and what says so.
    keys = {
        "utt": ("utterance", set(tables["utt2spk"]), "utt2spk"),
        "spk": ("speaker", set(tables["spk2utt"]), "utt2spk"),
        "reco": ("recording", set(tables["utt2spk"]), "utt2spk"),
    }
    if "segments" in tables:
        keys["reco"] = "recording", {value.split()[0] for value in tables["segments"].values()}, "segments"
    # segments first: the recordings to expect depend on it.
    for name in sorted(tables, key=lambda name: name != "segments"):
        (noun, wanted, origin), table = keys[keyed_by(name)], tables[name]
        if strange := table.keys() - wanted:
            line = list(table).index(min(strange)) + 1
            raise UserError(
                f"{data_dir}/{name}:{line}: the {noun} {min(strange)} is not in {origin}; {_mend(data_dir)}"
            )
        if missing := wanted - table.keys():
            raise UserError(
                f"{data_dir}/{name}: the {noun} {min(missing)} of {origin} is missing "
                f"({len(missing)} of {len(wanted)} are); {_mend(data_dir)}"
            )


def _check_values(path: Path, table: Mapping[str, str]) -> None:
    for number, value in enumerate(table.values(), 1):
        for check in _VALUE_CHECKS.get(path.name, ()):
            check(path, number, value)


def _must(fits: Callable[[str], bool], problem: str) -> Check:
    """Make a check of a value, with what is wrong where it does not fit."""

    def check(path: Path, number: int, value: str) -> None:
        if not fits(value):
            raise UserError(f"{path}:{number}: {problem.format(value)}; correct the line")

    return check


_ONE_WORD = _must(lambda value: len(value.split()) == 1, "expected one word after the key, got '{}'")
_LENGTH = (_ONE_WORD, positive)
_FRAMES = (*_LENGTH, _must(lambda value: float(value).is_integer(), "'{}' is not a whole number of frames"))
_WARP = (*_LENGTH, _must(lambda value: 0.5 < float(value) < 1.5, "the warp factor {} is not between 0.5 and 1.5"))
_CHANNEL = _must(lambda value: len(value.split()) == 2, "expected '<file> <channel>' after the key, got '{}'")
_VALUE_CHECKS: dict[str, tuple[Check, ...]] = {
    "segments": (parse_segment,),
    "spk2gender": (_ONE_WORD, _must(("f", "m").__contains__, "the gender '{}' is neither f nor m")),
    "reco2file_and_channel": (_CHANNEL,),
    **dict.fromkeys(("utt2spk", "utt2lang", "utt2uniq", "spk2person"), (_ONE_WORD,)),
    **dict.fromkeys(("utt2dur", "reco2dur"), _LENGTH),
    "utt2num_frames": _FRAMES,
    "reco2num_frames": (_ONE_WORD,),
    **dict.fromkeys(("utt2warp", "spk2warp"), _WARP),
}


def _check_audio(path: Path, table: Mapping[str, str]) -> None:
    for number, source in enumerate(table.values(), 1):
        if source.endswith("|"):
            continue
        if source.startswith("~"):
            raise UserError(f"{path}:{number}: {source}: '~' is not expanded in wav.scp; write the whole path")
        try:
            status = os.stat(source)
        except (OSError, ValueError):
            status = None
        if status is None or not stat.S_ISREG(status.st_mode) or status.st_size == 0:
            problem = "is empty" if status and status.st_size == 0 else "does not exist"
            raise UserError(
                f"{path}:{number}: the audio file {source} {problem}; "
                f"correct the path, or remove the line and {_mend(path.parent)}"
            )
