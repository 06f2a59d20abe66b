"""Program -> Program, one pass per file."""
