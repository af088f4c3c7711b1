"""A device that is reached over ssh: the connection, and our runner on it."""
