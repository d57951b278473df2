"""Image data sets, read and generated."""
