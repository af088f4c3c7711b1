package dev.edgedeploy.classifier;

/** One answer held against its golden one: what was found, and what is allowed. */
public final class Check {
    private final String name;
    private final String found;
    private final String allowed;
    private final boolean passed;

    Check(String name, String found, String allowed, boolean passed) {
        this.name = name;
        this.found = found;
        this.allowed = allowed;
        this.passed = passed;
    }

    public String name() {
        return name;
    }

    public String found() {
        return found;
    }

    public String allowed() {
        return allowed;
    }

    public boolean passed() {
        return passed;
    }

    @Override
    public String toString() {
        return (passed ? "passed: " : "FAILED: ") + name + ": " + found + " (allowed: " + allowed
                + ")";
    }
}
