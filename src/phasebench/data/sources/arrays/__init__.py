"""Data sets that are arrays already: of a function, or of NumPy's and MATLAB's files."""
