"""Stage 7: a listening test, answers of people, and people beside models."""
