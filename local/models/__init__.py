"""Trained models, whatever they tell: their folders, long audio in windows, learning curves (stages 4 and 6)."""
