"""The program of an accelerator: instruction set, register map, image, assembler, verifier."""
