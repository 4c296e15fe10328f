"""The cycle-exact model of the accelerator."""
