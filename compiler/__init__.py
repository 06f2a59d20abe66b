"""The staging compiler: ir -> ops -> passes -> backend; each imports what stands left of it."""
