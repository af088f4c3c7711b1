"""Tables of published (or somebody's own) times: read, fitted, and how good the fits are."""
