#!/usr/bin/env bash
# Bundled synthetic speech in five languages: every stage, offline, on a CPU, in minutes.
set -euo pipefail

exec "$(dirname "${BASH_SOURCE[0]}")/../../run.sh" --recipe mini "$@"
