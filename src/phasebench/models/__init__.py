"""Networks. They are built by name through :mod:`phasebench.models.registry`."""
