"""The machine itself: what it is, how warm and fast it runs, what power it draws."""
