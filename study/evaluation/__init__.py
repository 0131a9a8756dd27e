"""Scoring one model."""
