"""The plan: configuration, suites and scales, expanded into runs and stages."""
