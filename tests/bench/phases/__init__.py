"""One file for each thing that the suite measures."""
