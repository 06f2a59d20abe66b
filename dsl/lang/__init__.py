"""The language: values, trees, staging, transformations, control flow, keys, array functions."""
