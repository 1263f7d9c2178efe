"""The report's figures: accuracy by layer, source x target matrices, confusions, encoders side by side."""
