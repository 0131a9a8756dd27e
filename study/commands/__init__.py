"""What the longer commands do once their options are in order."""
