"""Stage 2: data directories become one matrix (layers x dim) an utterance, in Kaldi archives."""
