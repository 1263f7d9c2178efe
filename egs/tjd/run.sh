#!/usr/bin/env bash
# Tianjin dialect, three functions of utterances, and its listeners: bring your own (see README.md).
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/../../run.sh" --recipe tjd "$@"
