"""The grid: what an experiment asks for, once for all stages that make conditions (probe, finetune, sed).

Factors say what may differ, pairs which corpora meet; of both come conditions, of these the groups that share their
training, and the plan of what is stale. What is asked for is written to a manifest, which later stages read.
"""
