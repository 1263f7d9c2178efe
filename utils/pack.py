"""Put what a paper's results rest on into one archive with checksums, or check such an archive.

    utils/pack.sh egs/open/exp              # -> open.exp.tar.gz, here, and its SHA-256
    utils/pack.sh --verify open.exp.tar.gz

Packed are the recipe (``conf``, README, ``run.sh``), the clone's ``conf``, from the results every condition's settings,
factors, scores and hypotheses, manifests, tables, report, and ``env.json`` and ``run.sh``, which say what made them; no
audio, features or models. The same results make the same archive, byte for byte. Names of folders of the machine stand
in it, as they do in the results.

Checked is that every file is whole, that none is missing or was added (``SHA256SUMS`` in the archive, which
``sha256sum --check`` reads too), that every condition of a manifest is there and finished, and that the tables beside
RESULTS.md are those of the results. Who changes a file and its checksum changes the archive's SHA-256: give that in the
paper.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from utils import provenance
from utils.atomic import atomic_file
from utils.errors import UserError, run_main

SUMS = "SHA256SUMS"
_MANIFEST, _DONE, _SCORES = "manifest.jsonl", ".done", ("scores.csv", "eder.json")
_CONDITION = ("meta.json", "config.yaml", *_SCORES, "hyp", "hyp.rttm", "train.log", _DONE)
_TAKEN_FROM = {"headlines.csv": "results.csv"}  # others have the same name; that of sed/results.csv is sed_results.csv
_LARGEST = 1 << 30  # bytes of a file in an archive


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="utils/pack.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", type=Path, help="the folder of the results, egs/<recipe>/exp; or an archive")
    parser.add_argument("--out", type=Path, help="the archive to make (default: <recipe>.<folder>.tar.gz)")
    parser.add_argument("--verify", action="store_true", help="check an archive")
    arguments = parser.parse_args()
    if arguments.verify:
        for line in verify(arguments.path):
            print(line)
        return
    out = arguments.out or Path(f"{arguments.path.resolve().parent.name}.{arguments.path.resolve().name}.tar.gz")
    count = pack(arguments.path, out)
    print(f"{out}: {count} files, {out.stat().st_size / 2**20:.1f} MiB\nSHA-256 {_of_file(out)}")


def pack(exp: Path, out: Path) -> int:
    """Write the archive of a folder of results; give the number of files in it, the checksums' apart.

    Raises
    ------
    UserError
        The folder holds no results of a run.
    """
    if not (exp / provenance.ENVIRONMENT).is_file():
        raise UserError(f"{exp}: no {provenance.ENVIRONMENT}, so no run has written here; give a recipe's exp folder")
    members = _members(exp.resolve())
    sums: dict[str, str] = {}
    with (
        atomic_file(out, "wb") as file,
        gzip.GzipFile("", "wb", mtime=0, fileobj=file) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, path in members.items():
            content = path.read_bytes()
            sums[name] = hashlib.sha256(content).hexdigest()
            _add(archive, name, content)
        _add(archive, SUMS, "".join(f"{digest}  {name}\n" for name, digest in sums.items()).encode())
    return len(sums)


def verify(path: Path) -> list[str]:
    """Check an archive, unpacking nothing; say in lines what was found.

    Raises
    ------
    UserError
        It is damaged, something is missing, was added or changed, or the results do not agree with one another.
    """
    kept, sums = _read(path)
    listed = _sums(path, kept)
    wrong = [(name, "not as it was packed") for name in listed if name in sums and sums[name] != listed[name]]
    wrong += [(name, "missing") for name in listed if name not in sums]
    wrong += [(name, f"not in {SUMS}") for name in sums if name not in listed and name != SUMS]
    conditions = 0
    for name in (name for name in kept if PurePosixPath(name).name == _MANIFEST):
        for condition in _listed(path, name, kept[name]):
            conditions += 1
            if f"{condition}/{_DONE}" not in sums or not any(f"{condition}/{score}" in sums for score in _SCORES):
                wrong.append((condition, f"asked for in {name}, without scores"))
    wrong += _disagree(kept)
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise UserError(f"{path}: {wrong[0][0]}: {wrong[0][1]}{more}; get the archive anew from who packed it")
    lines = [f"{path}: {len(listed)} files are whole, {conditions} conditions have their scores"]
    lines.append(f"SHA-256 {_of_file(path)}")
    environment = next((kept[name] for name in kept if PurePosixPath(name).name == provenance.ENVIRONMENT), None)
    if environment is not None:
        lines += _made_by(environment)
    return lines


def _members(exp: Path) -> dict[str, Path]:
    """Choose what is packed: name in the archive to file, sorted. What git ignores in a recipe is left out."""
    recipe, root = exp.parent, Path(__file__).resolve().parent.parent
    tag = exp.name.removeprefix("exp").removeprefix("_")
    kept = ".".join(filter(None, ("results", tag)))
    summary = ".".join(filter(None, ("RESULTS", tag, "md")))
    found = {f"conf/{path.name}": path for path in (root / "conf").iterdir() if path.is_file()}
    own = [recipe / name for name in ("README.md", "run.sh", summary)]
    own += [*(recipe / "conf").rglob("*"), *(recipe / kept).rglob("*")]
    own += [path for path in exp.iterdir() if path.suffix in (".csv", ".json", ".sh")]
    own += (exp / "report").rglob("*")
    for stage in (path for path in exp.iterdir() if path.is_dir()):
        own += [stage / _MANIFEST, *stage.glob("*.csv"), *stage.glob("*.json")]
        own += [path / name for path in stage.iterdir() for name in _CONDITION]
    base = recipe.parent.parent
    found |= {path.relative_to(base).as_posix(): path for path in own if path.is_file()}
    return {name: found[name] for name in sorted(found) if "/." not in name.removesuffix(f"/{_DONE}")}


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    # Time, owner and mode say nothing of the results, and would make another archive of the same ones.
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o755 if name.endswith(".sh") else 0o644
    archive.addfile(entry, io.BytesIO(content))


def _read(path: Path) -> tuple[dict[str, bytes], dict[str, str]]:
    """Read an archive: those files whose content is looked at, and all files' checksums."""
    kept: dict[str, bytes] = {}
    sums: dict[str, str] = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for entry in archive:
                pure = PurePosixPath(entry.name)
                if not entry.isfile() or pure.is_absolute() or ".." in pure.parts or entry.name in sums:
                    raise UserError(f"{path}: holds '{entry.name}', which utils/pack.sh does not write")
                if entry.size > _LARGEST:
                    raise UserError(f"{path}: '{entry.name}' has {entry.size} bytes, which no result has")
                content = archive.extractfile(entry).read()
                sums[entry.name] = hashlib.sha256(content).hexdigest()
                if pure.name in (SUMS, _MANIFEST, provenance.ENVIRONMENT) or pure.suffix == ".csv":
                    kept[entry.name] = content
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (tarfile.TarError, EOFError, OSError, gzip.zlib.error) as error:
        raise UserError(f"{path}: not a whole archive ({error}); get it anew") from error
    return kept, sums


def _sums(path: Path, kept: Mapping[str, bytes]) -> dict[str, str]:
    if SUMS not in kept:
        raise UserError(f"{path}: no {SUMS} in it; utils/pack.sh did not make it, or it was cut: get it anew")
    lines = kept[SUMS].decode(errors="replace").splitlines()
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def _listed(path: Path, name: str, manifest: bytes) -> Iterator[str]:
    """Name the folders of a manifest's conditions."""
    for number, line in enumerate(manifest.decode(errors="replace").splitlines(), 1):
        try:
            yield f"{PurePosixPath(name).parent}/{json.loads(line)['name']}"
        except (ValueError, KeyError, TypeError):
            raise UserError(f"{path}: {name}:{number}: not a line of a manifest") from None


def _disagree(kept: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    """Compare the tables beside RESULTS.md, ``results[.TAG]``, with those of the results that they were taken from."""
    for name in kept:
        recipe, _, rest = name.rpartition("/results")
        tag, _, table = rest.partition("/")
        if not recipe or not table.endswith(".csv"):
            continue
        exp = f"{recipe}/{'_'.join(filter(None, ('exp', tag.removeprefix('.'))))}"
        stage, _, own = table.partition("_")
        for origin in (f"{exp}/{_TAKEN_FROM.get(table, table)}", f"{exp}/{stage}/{own}"):
            if origin in kept and not {*_rows(kept[name])} <= {*_rows(kept[origin])}:
                yield name, f"has rows that {origin} has not"


def _rows(content: bytes) -> Iterator[tuple[str, ...]]:
    return map(tuple, csv.reader(io.StringIO(content.decode(errors="replace"), newline="")))


def _made_by(environment: bytes) -> list[str]:
    try:
        made = json.loads(environment)
        git, data = made["git"], made["data"]
        commit = f"commit {git['commit']}" if git else "an unknown commit"
        changed = f", and {len(git['changed'])} files that differ from it" if git and git["changed"] else ""
    except (ValueError, KeyError, TypeError):
        return [f"{provenance.ENVIRONMENT} is not readable"]
    lines = [f"made by {commit}{changed}, Python {made.get('python')}"]
    return lines + [f"data {name} {own}" for name, own in data.items()]


def _of_file(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


if __name__ == "__main__":
    run_main(main)
