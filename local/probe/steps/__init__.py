"""Steps that treat frozen features, one module a factor (local/grid/factors.py, local/probe/scale.py)."""
