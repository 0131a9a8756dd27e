"""From options to settings."""
