#!/usr/bin/env bash
# Bring your own corpus: a CSV or TSV of audio files with speaker and emotion (see README.md).
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/../../run.sh" --recipe table "$@"
