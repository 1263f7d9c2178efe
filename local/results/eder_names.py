"""Names in diarization's error rate (local/results/eder.py) that are needed before anything is scored."""

NEUTRAL = "neutral"  # what no segment covers
PARTS = ("missed", "false_alarm", "confusion", "overlap")
