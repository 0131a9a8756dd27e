"""The interactive report of a run: what is put into the page, as one JSON."""
