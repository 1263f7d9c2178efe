"""Stage 5: metrics, confidence intervals, significance; conditions in, one table out."""
