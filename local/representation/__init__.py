"""Who and what is read from representations, before and after something was trained on them (stages 3 and 4)."""
