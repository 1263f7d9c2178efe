"""Error rates of diarization, the baselines beside them, and pictures."""
