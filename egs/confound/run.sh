#!/usr/bin/env bash
# Study B: any encoders on any corpora, every figure with its controls.  Needs --db-root DIR with the corpora at
# DIR/{emodb,ravdess,esd,subesco,banglaser,thai_ser}; with --config conf/open.yaml, at DIR/{emodb,ravdess,urdu,nemo}; with
# --set study.smoke=true nothing but this repository.
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/../../run.sh" --recipe confound "$@"
