"""Experiment trackers that a study is logged to, each a listener in a thread of its own."""
