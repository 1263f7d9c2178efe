#!/usr/bin/env bash
# Set up and run the tests: the unit tests (seconds each), then whole recipes (minutes).
#   tests/run.sh                               everything
#   tests/run.sh tests/utils -k ark --lf       arguments are pytest's
#   tests/run.sh -m "not integration"          one kind
# They run in a process a core, each file in one, so that what its tests share is made once; -n 0: all in one.
# Folders of tests that failed are in $PYTEST_DEBUG_TEMPROOT/pytest-of-$USER: in /dev/shm, or in /tmp.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
utils/install.sh --dev
. ./path.sh

in_memory() { # may /dev/shm hold what tests write: some GB, and scripts that run (Docker forbids that)?
  [ -w /dev/shm ] && ! grep -q '^[^ ]* /dev/shm [^ ]* [^ ]*noexec' /proc/mounts &&
    [ "$(df -Pk /dev/shm | awk 'NR == 2 { print int($4 / 1048576) }')" -ge 4 ] &&
    [ "$(awk '$1 == "MemAvailable:" { print int($2 / 1048576) }' /proc/meminfo)" -ge 12 ]
}

# Making a file there takes a fraction of what it takes on a disk, and recipes make thousands.
if [ -z "${PYTEST_DEBUG_TEMPROOT:-}" ] && in_memory; then export PYTEST_DEBUG_TEMPROOT=/dev/shm; fi

# In the order of names: else files of few tests, which are the long ones, would come last.
workers=(-n auto --dist loadfile --no-loadscope-reorder)

for argument in "$@"; do
  case $argument in -m | -m?*)
    exec python3 -m pytest "${workers[@]}" "$@"
    ;;
  esac
done

passed=false
for kind in "not integration" integration; do
  status=0
  python3 -m pytest "${workers[@]}" -m "$kind" "$@" || status=$?
  # 5: none of this kind is among what was asked for.
  case $status in 0) passed=true ;; 5) ;; *) exit "$status" ;; esac
done
$passed || exit 5
