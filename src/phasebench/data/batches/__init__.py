"""Training data as batches on the device, from memory or streamed from shards."""
