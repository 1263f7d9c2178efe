"""Pre-training of encoders of one's own, which stage 2 then reads: audio of data directories -> a checkpoint."""
