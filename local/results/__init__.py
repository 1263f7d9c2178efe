"""Results: what a condition's directory holds, and the corpora with folds that it was made from."""
