"""An app that takes in two of our libraries, as its developer would write it."""
