"""Get corpora whose makers offer them to everybody: URLs and datasets -> <db-root>/<corpus>/.

    cd egs/<recipe> && python3 -m local.corpora.download --db-root DIR [--accept-licence emodb,ravdess]

takes the corpora that ``conf/experiment.yaml`` names and that are not there yet. ``download`` of a corpus's entry in
``conf/corpora.yaml`` lists what is fetched, each one of

- ``url``, with ``digest`` (``md5:...`` or ``sha256:...``) and ``size`` where its makers say, and ``strip``, how many
  folders at the beginning of an archive's paths are left out. Archives are unpacked, other files keep their names.
- ``hf``, a dataset of the Hugging Face hub or in its formats: local/corpora/hub.py.

Licences are shown and accepted once, at the terminal or by ``--accept-licence``. ``DIR/<corpus>.download.json`` keeps
which licence was accepted when, and the digest of every file; a later download must be the same.
``DIR/<corpus>.download/`` holds what has arrived of an unfinished one, and the corpus takes its name when it is whole
and looks as its module expects. For other corpora it is said whom to ask where, and the command fails.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sys
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local import experiment
from local.corpora import hub, registry
from local.corpora.registry import CorpusSpec
from utils import lock
from utils.atomic import atomic_dir, atomic_file
from utils.errors import UserError, run_main
from utils.fetch import digest_of, fetch
from utils.registry import REPO, fill
from utils.unpack import is_archive, unpack


@dataclass(frozen=True)
class File:
    """An item of ``download`` that is one file."""

    url: str
    digest: str = ""  # md5:... or sha256:..., as its makers say
    size: int = 0  # bytes; 0 where they do not say
    strip: int = 0  # folders that are left out at the beginning of every path in the archive

    @property
    def name(self) -> str:
        """What the file is called."""
        return Path(urllib.parse.unquote(urllib.parse.urlsplit(self.url).path)).name


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    experiment.add_arguments(parser)
    parser.add_argument("--db-root", type=Path, metavar="DIR", help="where the corpora go: corpus c to DIR/c")
    parser.add_argument(
        "--accept-licence", default="", metavar="CORPUS,...", help="corpora whose licences you have read and accept"
    )
    arguments = parser.parse_args()
    specs = [registry.spec(name) for name in experiment.load(arguments).prepared]
    accepted = [word for word in arguments.accept_licence.split(",") if word]
    for name in accepted:
        registry.spec(name)  # a typing error must not look like consent withheld
    missing = []
    for spec in specs:
        root = registry.root_of(spec, arguments.db_root, there=False)
        if root.is_file() or (root.is_dir() and any(root.iterdir())):
            print(f"{spec.name}: {root} is there")
            if (_work(root) / ".lock").exists():  # of a run that was killed when all but this was done
                shutil.rmtree(_work(root))
        else:
            missing.append((spec, root))
    wanted = [(spec, root, items(spec)) for spec, root in missing if spec.download]
    agree([(spec, root) for spec, root, _ in wanted], accepted)
    for spec, root, found in wanted:
        download(spec, root, found)
    others = [(spec, root) for spec, root in missing if not spec.download]
    for spec, root in others:
        print(by_hand(spec, root))
    if others:
        raise UserError(f"not to be had without you: {', '.join(spec.name for spec, _ in others)} (see above); "
                        "put them there, then go on with --stage data")  # fmt: skip


def items(spec: CorpusSpec) -> list[File | hub.Dataset]:
    """Read what an entry's ``download`` lists."""
    found = []
    for number, item in enumerate(spec.download):
        place = f"conf/corpora.yaml: {spec.name}.download[{number}]"
        kind = hub.Dataset if isinstance(item, dict) and "hf" in item else File
        if not isinstance(item, dict) or not {"hf", "url"} & set(item):
            raise UserError(f"{place}: expected a url or a dataset: {{url: ...}} or {{hf: ...}}")
        found.append(fill(kind, item, place))
    return found


def agree(wanted: Sequence[tuple[CorpusSpec, Path]], accepted: Sequence[str]) -> None:
    """Show the licences that were not accepted before, and note those that are accepted now.

    Raises
    ------
    UserError
        One is not, or there is nobody to be asked.
    """
    open_ones = [(spec, root) for spec, root in wanted if _read(root).get("licence") != spec.licence]
    for spec, _ in open_ones:
        print(f"{spec.name}: {spec.title or spec.name}")
        print(f"  licence: {spec.licence or 'not stated'}\n  source:  {spec.source or 'not stated'}")
    refused = [spec.name for spec, _ in open_ones if spec.name not in accepted]
    if refused and sys.stdin.isatty():
        answer = input(f"Do you accept the licences of {', '.join(refused)}, as their sources state them? Type yes: ")
        refused = refused if answer.strip().lower() != "yes" else []
    if refused:
        raise UserError("nothing is downloaded before you accept the licences above: read them at their sources, then "
                        f"give --accept-licence {','.join(refused)}")  # fmt: skip
    for spec, root in open_ones:
        _write(root, _read(root) | {"licence": spec.licence, "accepted": time.strftime("%Y-%m-%d %H:%M:%S %z")})


def download(spec: CorpusSpec, root: Path, wanted: Sequence[File | hub.Dataset]) -> None:
    """Fetch one corpus, so that its root is there whole or not at all.

    Raises
    ------
    UserError
        A file cannot be had or is not the right one, or what came does not look like the corpus. What has arrived
        stays for the next call, except what is wrong.
    """
    work = _work(root)
    with _alone(work, root), atomic_dir(root) as made:
        for item in wanted:
            if isinstance(item, hub.Dataset):
                count = hub.export(item, f"{spec.name}.download", made, work / "hf")
                print(f"{spec.name}: {count} utterances of {item.hf}")
                continue
            path = _fetched(item, root, work)
            if is_archive(item.name):
                unpack(path, made, item.strip)
            else:
                # Copied: a later failure must not cost another transfer.
                shutil.copyfile(path, made / item.name)
        try:
            registry.module(spec).check(made, spec)
        except UserError as error:
            raise UserError(f"{spec.name}: what was downloaded does not look like it: {error}") from None
    shutil.rmtree(work, ignore_errors=True)
    print(f"{spec.name}: {root} is there now; licence: {spec.licence}")


def by_hand(spec: CorpusSpec, root: Path) -> str:
    """Say how a person gets a corpus that cannot be fetched for them."""
    readme = Path("egs", spec.name, "README.md")
    return (
        f"{spec.name}: {spec.title or spec.name}\n"
        f"  licence: {spec.licence or 'not stated'}\n"
        f"  where:   {spec.source or 'not stated'}\n"
        f"  how:     {spec.access}\n"
        f"  goes to: {root}, which then holds {registry.module(spec).LAYOUT}"
        + (f"\n  see:     {readme}" if (REPO / readme).exists() else "")
    )


def _fetched(item: File, root: Path, work: Path) -> Path:
    """Fetch a file unless it has arrived before, and hold it to what was fetched from there before."""
    record, path = _read(root), work / item.name
    known = record.get("files", {}).get(item.url, "")
    found = digest_of(path, "sha256") if path.exists() else fetch(item.url, path, item.size, item.digest)
    if known and found != known:
        path.unlink()
        raise UserError(f"{item.url}: is {found} now, and was {known} when it was downloaded before; to take the new "
                        f"one, remove {_record(root)}")  # fmt: skip
    if not known:
        print(f"{item.name}: {found}" + ("" if item.digest else " (recorded; a later download must be the same)"))
        _write(root, record | {"files": record.get("files", {}) | {item.url: found}})
    return path


@contextlib.contextmanager
def _alone(work: Path, root: Path) -> Iterator[None]:
    """Keep other downloads of the corpus out, and clear what one that was killed has left."""
    with lock.alone(work / ".lock", f"{root}: another download of it is under way; wait until it has ended"):
        for left in root.parent.glob(f".{root.name}.????????.tmp"):
            shutil.rmtree(left, ignore_errors=True)
        yield


def _work(root: Path) -> Path:
    return root.with_name(f"{root.name}.download")


def _record(root: Path) -> Path:
    return root.with_name(f"{root.name}.download.json")


def _read(root: Path) -> dict[str, Any]:
    path = _record(root)
    try:
        content = json.loads(path.read_bytes()) if path.exists() else {}
    except ValueError:
        content = None
    if not isinstance(content, dict) or not isinstance(content.get("files", {}), dict):
        raise UserError(f"{path}: not a record of a download; remove it, and accept the licence again")
    return content


def _write(root: Path, content: dict[str, Any]) -> None:
    with atomic_file(_record(root)) as file:
        file.write(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    run_main(main)
