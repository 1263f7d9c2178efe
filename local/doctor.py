"""Look at everything that a recipe's run needs, and say what to mend: ``run.sh --doctor``.

    cd egs/<recipe> && python3 -m local.doctor [--config conf/experiment.yaml] [--set KEY.PATH=VALUE]... [--db-root DIR]

A line a thing: ``ok``, ``note`` (a run works without it, or does less) or ``MEND``. Exit status 1 where anything is to
be mended. Nothing is made or changed. Of encoders on a hub it asks the hub whether they can be had.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from local import encoders, experiment
from local.corpora import registry
from local.encoders import EncoderSpec
from local.experiment import Experiment
from utils import environment, provenance
from utils.errors import UserError, run_main

OK, NOTE, MEND = "ok", "note", "MEND"
Finding = tuple[str, str]  # one of these, and a sentence
_ROOT = Path(__file__).resolve().parent.parent
_LITTLE_GB = 2  # of free disk
_PATIENCE_S = 10.0  # with a hub


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python3 -m local.doctor", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    experiment.add_arguments(parser)
    parser.add_argument("--db-root", type=Path, metavar="DIR", help="where the corpora are: corpus c at DIR/c")
    parser.add_argument("--ngpu", type=int, default=0, help="how many GPUs the run is to use (default: 0)")
    arguments = parser.parse_args()
    settings = experiment.load(arguments)
    count = 0
    for heading, findings in (
        ("Software", software()),
        ("Machine", machine(arguments.ngpu, settings.features.precision)),
        ("Disk", disk()),
        ("Corpora", corpora(settings, arguments.db_root)),
        ("Encoders", check_encoders(settings)),
    ):
        print(heading)
        for state, sentence in findings:
            print(f"  {state:<4}  {sentence}", flush=True)
            count += state == MEND
    print(f"{count} to mend" if count else "nothing to mend: run it; --plan says what it will make")
    return bool(count)


def software() -> Iterator[Finding]:
    """Look at the Python environment, its optional parts, and the clone."""
    unmet = environment.unmet([_ROOT / "requirements.txt"])
    for line in unmet:
        yield MEND, f"{sys.executable} lacks {line}: utils/install.sh"
    if not unmet:
        versions = environment.versions([_ROOT / "requirements.txt"])
        shown = ", ".join(f"{name} {versions[name]}" for name in ("torch", "transformers", "speechbrain", "numpy"))
        yield OK, f"Python {platform.python_version()} at {sys.executable}: {shown}"
    for path in sorted(_ROOT.glob("requirements-*.txt")):
        extra = path.stem.removeprefix("requirements-")
        missing = environment.unmet([path])
        if missing and extra != "dev":
            yield NOTE, f"without {', '.join(missing)} (optional: utils/install.sh --extra {extra})"
    found = provenance.git(_ROOT)
    if found is None:
        yield NOTE, f"{_ROOT} is no git clone: env.json of a run will not know the commit"
    else:
        changed = len(found["changed"])
        yield OK, f"commit {found['commit'][:12]}" + (f", {changed} files changed or new" if changed else "")


def machine(ngpu: int, precision: str) -> Iterator[Finding]:
    """Look at processor, memory and GPUs."""
    found = provenance.machine()
    yield OK, f"{found['cores']} cores ({found['processor']}), {found['memory_gb']} GB of memory"
    import torch

    from local.encoders.loading import has_native_bf16

    present = _gpus()
    visible = torch.cuda.device_count()
    if present and not torch.version.cuda:
        build = f"torch {torch.__version__} is a CPU build"
        yield MEND, f"{present[0]} is there, but {build}: remove .venv, utils/install.sh"
    elif present and not visible:
        shown = os.environ.get("CUDA_VISIBLE_DEVICES")
        yield MEND, f"{present[0]} is there, but torch sees none (driver; CUDA_VISIBLE_DEVICES is {shown})"
    elif visible:
        yield OK, f"{visible} GPUs: {torch.cuda.get_device_name(0)}" + ("" if ngpu else "; use them with --ngpu")
    else:
        yield NOTE, "no GPU: everything runs on the CPU"
    if ngpu > visible:
        yield MEND, f"--ngpu {ngpu}: torch sees {visible} here; give fewer, or run it where they are"
    device = "cuda:0" if 0 < ngpu <= visible else "cpu"
    if precision == "bf16" and not has_native_bf16(device):
        yield NOTE, f"features.precision is bf16, which {device} has no instructions for: it will be fp32"


def disk() -> Iterator[Finding]:
    """Look at free space and permissions where a run writes."""
    from huggingface_hub.constants import HF_HUB_CACHE

    places = {"results": ".", "temporary files": tempfile.gettempdir(), "checkpoints": HF_HUB_CACHE}
    for what, place in ((what, Path(place)) for what, place in places.items()):
        there = next(path for path in (place.absolute(), *place.absolute().parents) if path.exists())
        free = shutil.disk_usage(there).free / 2**30
        if not os.access(there, os.W_OK):
            yield MEND if what == "results" else NOTE, f"{there} ({what}): not writable"
        elif free < _LITTLE_GB:
            yield MEND, f"{there} ({what}): {free:.1f} GB free; free some, or put a larger disk there"
        else:
            yield OK, f"{there} ({what}): {free:.0f} GB free"


def corpora(settings: Experiment, db_root: Path | None) -> Iterator[Finding]:
    """Look whether corpora are where they are said to be, and look like themselves."""
    for name in settings.prepared:
        prepared = (Path("data") / name / ".done").is_file()
        try:
            spec = registry.spec(name)
            root = registry.root_of(spec, db_root)
            registry.module(spec).check(root, spec)
        except UserError as error:
            # What an earlier run has prepared is enough for all other stages.
            yield NOTE if prepared else MEND, f"{name}: {'prepared (start with --stage 2); ' * prepared}{error}"
        else:
            yield OK, f"{name}: {os.path.relpath(root)}" + (", prepared" if prepared else "")


def check_encoders(settings: Experiment) -> Iterator[Finding]:
    """Look whether encoders can be loaded, or be had from their hub."""
    wanted = [*settings.encoders, *settings.finetune.encoders, *settings.sed.encoders]
    made_here = {own.name for own in settings.pretrain}
    parts: dict[str, EncoderSpec] = {}
    for name in wanted:
        try:
            parts |= {part.name: part for part in encoders.spec(name).parts}
        except UserError as error:
            yield MEND, str(error)
    with ThreadPoolExecutor(8) as pool:
        for name, (state, sentence) in zip(parts, pool.map(_check, parts.values()), strict=True):
            if state == MEND and name in made_here:
                state, sentence = OK, "stage 2 will pre-train it"
            yield state, f"{name}: {sentence}"


def _check(spec: EncoderSpec) -> Finding:
    lacking = encoders.unavailable(spec)
    if lacking:
        return NOTE, f"will be skipped: {lacking}"
    try:
        spec.check_present()
    except UserError as error:
        return MEND, str(error).removeprefix(f"encoder {spec.name}: ")
    if not spec.source:
        return OK, spec.kind
    if spec.folder is not None:
        return OK, os.path.relpath(spec.folder)
    import huggingface_hub
    from huggingface_hub.constants import HF_HUB_CACHE

    here = Path(HF_HUB_CACHE, huggingface_hub.constants.REPO_ID_SEPARATOR.join(["models", *spec.source.split("/")]))
    if any(path.stat().st_size > 1 << 20 for path in here.glob("snapshots/*/*")):
        return OK, f"{spec.source}, fetched before"
    try:
        huggingface_hub.HfApi().model_info(spec.source, revision=spec.revision, timeout=_PATIENCE_S)
    except Exception as error:  # whatever a hub's client raises
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:150]
        return MEND, (
            f"{spec.source} is neither here nor can be had ({reason}); where there is a connection: "
            f"hf download {spec.source} --revision {spec.revision}, and copy $HF_HOME here"
        )
    return OK, f"{spec.source}, will be fetched at first use"


def _gpus() -> list[str]:
    """List the GPUs that the driver knows, whatever torch sees."""
    try:
        found = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.split(" (UUID")[0] for line in found.stdout.splitlines() if line.startswith("GPU")]


if __name__ == "__main__":
    run_main(main)
