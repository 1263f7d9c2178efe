"""Stage 8: RESULTS.md, figures and one self-contained page, from the files of stage 5 alone."""
