"""From suites, scale and configuration to the runs, their identities and their collected results."""
