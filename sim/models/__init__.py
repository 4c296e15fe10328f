"""Executable models in plain Python: what a block must do in every cycle, for benches to compare with."""
