"""What a run will do and what it can show, said before anything heavy runs: ``run.sh --plan``."""
