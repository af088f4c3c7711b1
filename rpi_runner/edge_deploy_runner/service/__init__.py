"""The runner as a service: its configuration, loop, decisions and sinks."""
