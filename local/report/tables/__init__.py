"""The report's tables, as data: RESULTS.md and the page print the same cells."""
