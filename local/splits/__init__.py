"""Stage 1: folds of a corpus under a split scheme, and the audit of what their parts share."""
