"""Operations on whole data directories: restrict, fix, combine (utils/data_dir_tools.py has the commands).

Every operation treats all tables of a directory alike. Where files are named as extra ones, ``extra`` maps
their names to what they are keyed by (``utt`` or ``spk``).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from utils.atomic import atomic_file
from utils.data_dir import keyed_by, parse_segment, seconds, spk2utt, table_names, write_data_dir
from utils.data_dir_check import check_speaker_order
from utils.errors import UserError
from utils.table import format_table, parse_table, positive, read_list, read_table, read_text, read_values

Tables = dict[str, dict[str, str]]
Say = Callable[[str], None]


def read_tables(data_dir: Path, extra: Iterable[str] = ()) -> Tables:
    """Read all tables of a data directory, and the extra files that it has."""
    names = dict.fromkeys([*table_names(data_dir), *(name for name in extra if (data_dir / name).is_file())])
    return {name: read_table(data_dir / name) for name in names}


def keys_of(tables: Tables) -> dict[str, dict[str, str]]:
    """Map every utterance to the keys that speak of it: of tables keyed by ``utt``, by ``spk`` and by ``reco``.

    The recording of an utterance that ``segments`` lacks is empty.
    """
    utt2spk, segments = tables["utt2spk"], tables.get("segments")
    recordings = {utt: segments.get(utt, "").split(" ")[0] for utt in utt2spk} if segments else None
    utterances = {utt: utt for utt in utt2spk}
    return {"utt": utterances, "spk": utt2spk, "reco": recordings or utterances}


def restrict(tables: Tables, utterances: Iterable[str], extra: Mapping[str, str] | None = None) -> Tables:
    """Keep some utterances, and the speakers and recordings that go with them, in all tables."""
    utterances = list(utterances)
    keep = {kind: dict.fromkeys(key[utt] for utt in utterances) for kind, key in keys_of(tables).items()}
    return {
        name: {key: table[key] for key in keep[keyed_by(name) or extra[name]] if key in table}
        for name, table in tables.items()
    }


def common(tables: Tables, extra: Mapping[str, str] | None = None) -> tuple[list[str], dict[str, list[str]]]:
    """Find the utterances that all tables have, with their speakers and recordings, in the order of ``utt2spk``.

    For each table that lacks any, tell which it lacks. ``spk2utt`` is taken as derived and does not count; ``extra`` as
    the module says.
    """
    keys = keys_of(tables)
    lacking: dict[str, list[str]] = {}
    for name in tables.keys() - {"spk2utt"}:
        key = keys[keyed_by(name) or extra[name]]
        lacking[name] = [utterance for utterance in key if key[utterance] not in tables[name]]
    lost = {utterance for lacks in lacking.values() for utterance in lacks}
    kept = [utterance for utterance in tables["utt2spk"] if utterance not in lost]
    return kept, {name: lacking[name] for name in tables if lacking.get(name)}


def fix(data_dir: Path, say: Say, extra: Mapping[str, str] | None = None) -> None:
    """Sort the tables of a data directory, remove repeated lines, and keep what all tables have, in place.

    The tables as they were are kept in ``.backup`` there. ``utt2spk`` is taken as primary, ``spk2utt`` as derived;
    lists of folds are left alone. ``say`` is told what was changed, a line at a time; ``extra`` as the module says.

    Raises
    ------
    UserError
        A line is malformed, no utterance would remain, or the order by utterance is not the order by
        speaker. Nothing has been changed then.
    """
    extra = {name: kind for name, kind in (extra or {}).items() if (data_dir / name).is_file()}
    before = {name: read_text(data_dir / name) for name in dict.fromkeys([*table_names(data_dir), *extra])}
    tables: Tables = {}
    for name in sorted(before.keys() - {"spk2utt"}):
        dropped: list[int] = []
        tables[name] = parse_table(data_dir / name, before[name], dropped)
        if dropped:
            say(f"{data_dir / name}: removing {len(dropped)} blank or repeated lines, the first is line {dropped[0]}")
        elif list(tables[name]) != sorted(tables[name]):
            say(f"{data_dir / name}: not in sorted order, sorting it")
    utterances, lacking = common(tables, extra)
    total = len(tables["utt2spk"])
    for name, lacks in lacking.items():
        say(f"{data_dir / name}: has nothing for {len(lacks)} of {total} utterances, the first is {min(lacks)}")
    if not utterances:
        raise UserError(f"{data_dir}: no utterance is in all of its tables: not proceeding further")
    tables = restrict(tables, sorted(utterances), extra)
    check_speaker_order(data_dir / "utt2spk", tables["utt2spk"])
    after = {name: format_table(data_dir / name, table) for name, table in tables.items()}
    after["spk2utt"] = format_table(data_dir / "spk2utt", spk2utt(tables["utt2spk"]))
    say(f"kept {len(utterances)} of {total} utterances" if lacking else f"kept all {total} utterances")
    if after == before:
        say("nothing to fix")
        return
    (data_dir / ".backup").mkdir(exist_ok=True)
    for name in before:
        shutil.copy2(data_dir / name, data_dir / ".backup" / name)
    for name, text in after.items():
        if text != before.get(name):
            with atomic_file(data_dir / name) as file:
                file.write(text)
    say(f"old files are kept in {data_dir}/.backup")
    _warn_of_lists(data_dir, tables["utt2spk"], say)


def _warn_of_lists(data_dir: Path, utt2spk: Mapping[str, str], say: Say) -> None:
    lists = sorted(data_dir.glob("folds/*/*/*"))
    gone = {path: set(read_list(path)) - utt2spk.keys() for path in lists if path.is_file()}
    gone = {path: names for path, names in gone.items() if names}
    if gone:
        path = next(iter(gone))
        say(f"WARNING: {len(gone)} lists in {data_dir}/folds name utterances that are gone, such as {min(gone[path])} "
            f"in {path}; make the folds again")  # fmt: skip


def durations(tables: Tables, data_dir: Path) -> dict[str, float]:
    """Tell every utterance's duration in seconds, from ``utt2dur`` or else ``segments``."""
    if "utt2dur" in tables:
        found = read_values(data_dir / "utt2dur", positive)
    elif "segments" in tables:
        times = read_values(data_dir / "segments", parse_segment)
        found = {key: end - start for key, (_, start, end) in times.items()}
    else:
        raise UserError(f"{data_dir}: has neither utt2dur nor segments, so the durations are not known")
    missing = tables["utt2spk"].keys() - found.keys()
    if missing:
        raise UserError(f"{data_dir}: the duration of {min(missing)} is missing; run utils/fix_data_dir.sh {data_dir}")
    return found


def combine(target: Path, sources: Sequence[Path], say: Say, extra: Sequence[str] = ()) -> None:
    """Combine data directories into one, with the tables that all of them have; ``target`` is replaced if it is there.

    Where only some sources have ``segments``, the others' are made from their ``utt2dur``. The same line may be in
    several sources. ``say`` is told what was combined and what was left out; ``extra`` names further files, keyed by
    utterance, to combine.

    Raises
    ------
    UserError
        A source is no data directory, or a key has different values in two of them.
    """
    check_target(target, sources)
    everything = [read_tables(source, extra) for source in sources]
    if any("segments" in tables for tables in everything):
        for source, tables in zip(sources, everything, strict=True):
            if "segments" not in tables:
                length = durations(tables, source)
                tables["segments"] = {u: f"{u} 0.0 {seconds(length[u])}" for u in tables["utt2spk"]}
                say(f"{source}: making segments from utt2dur, as other sources have segments")
    merged: Tables = {}
    for name in sorted({name for tables in everything for name in tables} - {"spk2utt"}):
        without = [str(source) for source, tables in zip(sources, everything, strict=True) if name not in tables]
        if without:
            say(f"WARNING: leaving out {name}, which {', '.join(without)} does not have")
        else:
            merged[name] = _merge(name, sources, everything)
    kinds = {name: "utt" for name in extra if not keyed_by(name)}
    utterances, lacking = common(merged, kinds)
    for name, lacks in lacking.items():
        say(f"WARNING: {len(lacks)} utterances are not in every {name}, the first is {min(lacks)}; leaving them out")
    merged = restrict(merged, utterances, kinds)
    files = {name: format_table(target / name, merged.pop(name)) for name in kinds if name in merged}
    write_data_dir(target, merged, files)
    say(f"combined {', '.join(sorted([*merged, *files]))} of {len(sources)} directories: {len(utterances)} utterances")


def _merge(name: str, sources: Sequence[Path], everything: Sequence[Tables]) -> dict[str, str]:
    merged: dict[str, str] = {}
    origin: dict[str, Path] = {}
    for source, tables in zip(sources, everything, strict=True):
        for number, (key, value) in enumerate(tables[name].items(), 1):
            if merged.setdefault(key, value) != value:
                raise UserError(
                    f"{source / name}:{number}: {key} is '{value}' here but '{merged[key]}' in {origin[key] / name}; "
                    "give one of them another id"
                )
            origin.setdefault(key, source)
    return merged


def check_target(target: Path, sources: Sequence[Path]) -> None:
    """Refuse a target that, being replaced as a whole, would take a source with it; sources must be there."""
    for source in sources:
        table_names(source)
        if target.resolve() in (source.resolve(), *source.resolve().parents):
            raise UserError(f"{target}: would replace the source {source}; choose another destination")
