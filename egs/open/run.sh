#!/usr/bin/env bash
# Four openly available corpora in four languages (emodb, ravdess, urdu, nemo): within every corpus and
# across every ordered pair.  Needs --db-root DIR with the corpora at DIR/{emodb,ravdess,urdu,nemo}.
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/../../run.sh" --recipe open "$@"
