"""Stage 3: what a small head reads from frozen features, layer by layer."""
