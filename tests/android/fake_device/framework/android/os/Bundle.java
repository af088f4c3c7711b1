package android.os;

import java.util.Set;
import java.util.TreeMap;

/** Stands in for Android's: strings by their keys. */
public final class Bundle {
    private final TreeMap<String, String> values = new TreeMap<>();

    public void putString(String key, String value) {
        values.put(key, value);
    }

    public String getString(String key) {
        return values.get(key);
    }

    public Set<String> keySet() {
        return values.keySet();
    }
}
