"""Types, ops, programs: the small typed language that everything else reads and writes."""
