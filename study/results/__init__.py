"""What is known of trials, and who beats whom: pure data."""
