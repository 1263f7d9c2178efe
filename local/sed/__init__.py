"""Stage 6, speech emotion diarization: which emotion is heard when (Wang et al. 2023, "Speech Emotion Diarization")."""
