#!/usr/bin/env bash
# Study C: an emotion recogniser for a language that nothing of is labelled, by contrast across the others and against
# speakers.  Needs --db-root DIR with the corpora at DIR/{esd,iemocap,emodb,subesco}; with --config conf/open.yaml, at
# DIR/{emodb,ravdess,urdu,nemo}; with --set study.smoke=true nothing but this repository.
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/../../run.sh" --recipe zeroshot "$@"
