#!/usr/bin/env bash
# Turn utt2spk into spk2utt. --help says how; utils/data_dir_tools.py does the work.
set -euo pipefail
# shellcheck source=path.sh
. "$(dirname "$0")/../path.sh"
exec python3 -m utils.data_dir_tools utt2spk_to_spk2utt "$@"
