"""Data: sources, encodings, splits, the prepared store and batches on the device."""
