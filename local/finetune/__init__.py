"""Stage 4: encoders tuned on emotion, whole or by a few parameters."""
