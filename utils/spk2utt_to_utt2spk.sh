#!/usr/bin/env bash
# Turn spk2utt into utt2spk. --help says how; utils/data_dir_tools.py does the work.
set -euo pipefail
# shellcheck source=path.sh
. "$(dirname "$0")/../path.sh"
exec python3 -m utils.data_dir_tools spk2utt_to_utt2spk "$@"
