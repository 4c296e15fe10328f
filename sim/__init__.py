"""Functional and cycle-exact simulators, and the benches that run the RTL against them."""
