"""Compression after training: pruning, quantization, and the package a model ships as."""
