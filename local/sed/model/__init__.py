"""Diarizers: the network, its training and decoding, and the published checkpoint."""
