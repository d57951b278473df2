"""Properties: what an untrained network, or a layer alone, decides without any data."""
