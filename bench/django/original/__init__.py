"""The Django application that the gateway replaces, as its article built it, with its best settings."""
