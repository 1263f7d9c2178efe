"""The recordings that diarization is trained and tested on: made of utterances, read as sets."""
