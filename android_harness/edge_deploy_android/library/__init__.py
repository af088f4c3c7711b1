"""What an app takes in: an AAR or a Gradle module with one model and its classifier."""
