#!/usr/bin/env bash
# Find or make the Python environment; a rerun does nothing and takes a fraction of a second.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
cpu_torch=torch==2.13.0

dev=false
extra=()
which=false
print=false
dry_run=false
help_message="Usage: utils/install.sh [options]

Makes sure that there is a Python environment with what requirements.txt asks for. The first of these is used:
  1. the active virtual or conda environment, if it satisfies requirements.txt (and the extras asked for);
  2. $root/.venv, if it was made here, whole, for the present requirements;
  3. python3 on PATH, if it satisfies them;
  4. $root/.venv, made or brought up to date with pip.
XSER_PYTHON=/path/to/python3 chooses an environment by hand; it must satisfy them.

torch: where nvidia-smi finds a GPU, the index's ordinary build; elsewhere $cpu_torch, a CPU build where pip's
index has one (PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, PIP_FIND_LINKS and pip.conf are honoured). XSER_TORCH sets
pip's arguments for it instead, for instance XSER_TORCH='torch==2.14.0 --index-url URL'.

Options:
  --dev          also what the tests need (requirements-dev.txt)
  --extra NAME   also requirements-NAME.txt ($(printf '%s\n' requirements-*.txt | sed 's/requirements-//; s/\.txt//' | paste -sd' '))
  --print        print the environment's python3
  --which        install nothing: print the environment's python3, exit 1 if there is none
  --dry-run      install nothing: say what would be done
  --help         print this and exit"
readonly root cpu_torch
. utils/parse_options.sh

venv=$root/.venv
# Inherited from a script of this clone that sourced path.sh, it is no choice by hand.
[ "${XSER_PYTHON:-}" != "$venv/bin/python3" ] || unset XSER_PYTHON
stamp=$venv/.installed # holds a line NAME HASH for every requirement file whose content is installed

fail() {
  echo "utils/install.sh: error: $1" >&2
  shift
  [ $# -eq 0 ] || printf '  %s\n' "$@" >&2
  exit 1
}

say() { echo "utils/install.sh: $*" >&2; }

# --- What is wanted -------------------------------------------------------------------------------------------

if $dev; then extra+=(dev); fi
files=(requirements.txt)
for name in "${extra[@]}"; do
  [ -f "requirements-$name.txt" ] || fail "--extra $name: there is no requirements-$name.txt"
  files+=("requirements-$name.txt")
done
# What .venv was given once stays wanted, so that every script settles on the same environment.
if [ -f "$stamp" ]; then
  while read -r name _; do
    [[ " ${files[*]} " == *" $name "* ]] || [ ! -f "$name" ] || files+=("$name")
  done < "$stamp"
fi

hashes() { # a line NAME HASH for each file
  local file
  for file in "$@"; do echo "$file $(cksum < "$file" | tr ' ' -)"; done
}

# --- Looking at a Python --------------------------------------------------------------------------------------

in_range() { # does $1 run (a pyenv shim may exist and not run), and is it a Python that is supported?
  "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' > /dev/null 2>&1
}

satisfied() { # python file...: prints what is not satisfied
  "$1" -m utils.environment check "${@:2}"
}

installed_here() { # is .venv whole and up to date?
  [ -x "$venv/bin/python3" ] && [ -f "$stamp" ] && ! hashes "${files[@]}" | grep -vxFf "$stamp" > /dev/null &&
    in_range "$venv/bin/python3" && satisfied "$venv/bin/python3" "${files[@]}" > /dev/null
}

usable() { # does the Python $1 satisfy everything? It may only lack the mend of torchaudio
  in_range "$1" || return 1
  local missing
  missing=$(satisfied "$1" "${files[@]}") && return 0
  [[ $missing == "torchaudio (its extension"* && $missing != *$'\n'* ]] || return 1
  $which || $dry_run || "$1" -m utils.environment mend-torchaudio
}

choose() { # prints the python3 of the environment to use
  local active
  if [ -n "${XSER_PYTHON:-}" ]; then
    in_range "$XSER_PYTHON" || fail "XSER_PYTHON=$XSER_PYTHON does not run, or is not Python 3.10 to 3.13"
    usable "$XSER_PYTHON" >&2 || fail "XSER_PYTHON=$XSER_PYTHON lacks:" "$(satisfied "$XSER_PYTHON" "${files[@]}")"
    echo "$XSER_PYTHON"
    return
  fi
  active=$(command -v python3) || active=
  if [ -n "$active" ] && [ "${active%/bin/python3}" != "$venv" ] && [ -n "${VIRTUAL_ENV:-}${CONDA_PREFIX:-}" ]; then
    if usable "$active" >&2; then echo "$active" && return; fi
  fi
  if installed_here; then echo "$venv/bin/python3" && return; fi
  if [ -n "$active" ] && [ "${active%/bin/python3}" != "$venv" ]; then
    if usable "$active" >&2; then echo "$active" && return; fi
  fi
  return 1
}

# --- Installing -----------------------------------------------------------------------------------------------

find_python() { # prints the first Python that runs and is supported
  local candidate seen=()
  for candidate in python3 python3.13 python3.12 python3.11 python3.10; do
    command -v "$candidate" > /dev/null || continue
    if in_range "$candidate"; then echo "$candidate" && return; fi
    seen+=("$candidate is $("$candidate" -V 2> /dev/null || echo "there but does not run")")
  done
  fail "no Python 3.10 to 3.13 on PATH" ${seen[@]+"${seen[@]}"} \
    "Debian or Ubuntu: apt-get install python3 python3-venv; or use conda, pyenv or uv, and put it on PATH"
}

need_disk() { # gigabytes
  local free
  free=$(df -Pk "$root" | awk 'NR == 2 { print int($4 / 1048576) }')
  [ "$free" -ge "$1" ] ||
    fail "$free GB are free at $root, $1 GB are needed" "free some, or put the clone on a larger disk"
}

has_gpu() { command -v nvidia-smi > /dev/null && nvidia-smi -L > /dev/null 2>&1; }

make_venv() {
  local python name
  if [ -x "$venv/bin/python3" ] && in_range "$venv/bin/python3"; then return; fi
  python=$(find_python)
  "$python" -c 'import venv, ensurepip' 2> /dev/null || {
    name=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    fail "$("$python" -V) has no venv module" "Debian or Ubuntu: apt-get install python3-venv   (or $name)"
  }
  if [ -e "$venv" ]; then say "$venv does not run: making it anew"; fi
  say "making $venv with $("$python" -V)"
  "$python" -m venv --clear "$venv"
  # The pip that Python brings takes more than twice as long to choose releases; where there is no other, it will do.
  PYTHONPATH='' PIP_USER=0 "$venv/bin/python3" -m pip install --no-input --disable-pip-version-check --quiet \
    --retries 0 --timeout 15 --upgrade pip < /dev/null > /dev/null 2>&1 || true
}

pip_install() {
  local log=$venv/install.log why
  rm -f "$log"
  PYTHONPATH='' PIP_USER=0 "$venv/bin/python3" -m pip install --no-input --disable-pip-version-check --log "$log" \
    --no-compile "$@" < /dev/null >&2 && return
  case $(tail -n 200 "$log" 2> /dev/null) in
    *"No space left on device"*) why="a disk is full: free space at $root, ~/.cache/pip and ${TMPDIR:-/tmp} (or set TMPDIR)" ;;
    *[Cc]onnection* | *"name resolution"* | *"timed out"*) why="no way to the package index: check the network, or set PIP_INDEX_URL, PIP_PROXY or PIP_FIND_LINKS" ;;
    *"No matching distribution"*) why="the package index has no such release for this Python: look at PIP_INDEX_URL and pip.conf, or try another Python 3.10 to 3.13" ;;
    *) why="see $log; then run this again, it goes on from here" ;;
  esac
  fail "pip install $* failed; its last lines:" "$(tail -n 5 "$log" 2> /dev/null | cut -d' ' -f2- | cut -c1-200)" "$why"
}

install() {
  local python=$venv/bin/python3 constraint torch_range torch=$cpu_torch gpu=false
  torch_range=$(grep -E '^torch[^a-z]' requirements.txt | sed 's/ *#.*//')
  if has_gpu; then gpu=true torch=$torch_range; fi
  if $dry_run; then
    python=$(find_python)
    echo "would make or update $venv with $("$python" -V): ${XSER_TORCH:-$torch}; ${files[*]}"
    return
  fi
  if compgen -G "$venv/lib/python3*/site-packages/torch" > /dev/null; then need_disk 1
  elif $gpu; then need_disk 6
  else need_disk 3; fi
  make_venv
  rm -f "$stamp"
  # A torch that is there and in range stays, whichever build it is.
  if [ -n "${XSER_TORCH:-}" ]; then
    say "[1/3] torch, as XSER_TORCH says: $XSER_TORCH"
    # shellcheck disable=SC2086 # several arguments of pip
    pip_install $XSER_TORCH
  elif satisfied "$python" <(echo "$torch_range") > /dev/null; then
    say "[1/3] torch $("$python" -m utils.environment version torch) is there"
  else
    say "[1/3] $torch, $($gpu && echo "for this machine's NVIDIA GPU" || echo "a CPU build if pip's index has one")"
    pip_install "$torch"
  fi
  say "[2/3] ${files[*]}"
  constraint=$venv/torch.constraint
  echo "torch==$("$python" -m utils.environment version torch)" > "$constraint"
  pip_install --constraint "$constraint" "${files[@]/#/--requirement=}"
  # Python compiles what it imports, once, which is a small part of all. Where it is told not to, all is compiled here;
  # what does not compile is not ours to mend.
  if [ -n "${PYTHONDONTWRITEBYTECODE:-}" ]; then
    say "compiling, on all cores"
    "$python" -m compileall -q -j 0 "$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
      > /dev/null 2>&1 || true
  fi
  say "[3/3] trying torchaudio"
  "$python" -m utils.environment mend-torchaudio >&2 || fail "torchaudio does not import (see the line above)" \
    "remove $venv and run this again; if that does not help, set XSER_TORCH to another release of torch"
  hashes "${files[@]}" > "$stamp"
  satisfied "$python" "${files[@]}" >&2 || fail "still not satisfied (see the lines above)" "remove $venv and run this again"
  say "done: $venv"
}

export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
unset PYTHONHOME

if chosen=$(choose); then
  if $which || $print; then echo "$chosen"; elif $dry_run; then echo "would use $chosen"; fi
  exit 0
fi
[ -z "${XSER_PYTHON:-}" ] || exit 1
if $which; then fail "there is no Python environment with ${files[*]} yet" "run utils/install.sh${extra[*]:+ with the same options}"; fi
# Two recipes started at once in a fresh clone take turns; the second one then finds the work done.
exec 9< "$root"
if command -v flock > /dev/null; then flock 9 || true; fi
chosen=$(choose) || install
! $print || echo "${chosen:-$venv/bin/python3}"
