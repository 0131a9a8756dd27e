"""The front scored again."""
