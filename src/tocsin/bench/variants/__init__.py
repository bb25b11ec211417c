"""Variants of the default model: constants changed before its kernels are compiled."""
