"""Scoring: features of images, distances between sets of features, and speed."""
