#!/usr/bin/env bash
# Study A's models: encoders of two languages on three corpora, probed layer by layer and tuned.  Needs --db-root DIR
# with the corpora at DIR/{esd,pavoque,iemocap}; with --set study.smoke=true nothing but this repository.
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/../../run.sh" --recipe crosslingual "$@"
