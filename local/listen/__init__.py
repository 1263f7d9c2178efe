"""Stage 7: a listening test that people take in a browser, their answers, and what these say beside the models."""
