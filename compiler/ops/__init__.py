"""Every op with its whole story: dimensions, dtype, derivative, batch, local form and lowering."""
