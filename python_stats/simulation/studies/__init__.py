"""The populations that methods are tried on, one module per group of methods, each with its list ``STUDIES``."""
