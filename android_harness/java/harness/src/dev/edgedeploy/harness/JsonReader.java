package dev.edgedeploy.harness;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Takes typed values out of a JSON object; every refusal names the document and the key. */
public final class JsonReader {
    private final Map<String, Object> values;
    private final String origin;
    private final String prefix;

    private JsonReader(Map<String, Object> values, String origin, String prefix) {
        this.values = values;
        this.origin = origin;
        this.prefix = prefix;
    }

    /** A reader of a value that has to be an object; `origin` is what sentences call it. */
    public static JsonReader of(Object value, String origin) throws Refusal {
        return new JsonReader(objectIn(value, origin), origin, "");
    }

    private static Map<String, Object> objectIn(Object value, String origin) throws Refusal {
        if (!(value instanceof Map)) {
            throw Refusal.badInput(origin + " is no JSON object");
        }
        Map<String, Object> found = new LinkedHashMap<>();
        for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
            found.put((String) entry.getKey(), entry.getValue());
        }
        return found;
    }

    /** Refuses keys that are not among these. */
    public void allowOnly(List<String> known) throws Refusal {
        List<String> unknown = new ArrayList<>(values.keySet());
        unknown.removeAll(known);
        if (!unknown.isEmpty()) {
            java.util.Collections.sort(unknown);
            throw Refusal.badInput(
                origin + " has an unknown key '" + prefix + unknown.get(0) + "'");
        }
    }

    /** Whether there is a value that is not null. */
    public boolean has(String key) {
        return values.get(key) != null;
    }

    /** A text that has to be there. */
    public String text(String key) throws Refusal {
        Object value = required(key);
        if (!(value instanceof String)) {
            throw wrong(key, "is " + shown(value) + ", not a text");
        }
        return (String) value;
    }

    /** A text, or the default where the key is missing. */
    public String text(String key, String otherwise) throws Refusal {
        return values.containsKey(key) ? text(key) : otherwise;
    }

    /** A text, or null where there is none. */
    public String optionalText(String key) throws Refusal {
        return has(key) ? text(key) : null;
    }

    /** True or false, false where there is neither. */
    public boolean flag(String key) throws Refusal {
        Object value = values.get(key);
        if (value != null && !(value instanceof Boolean)) {
            throw wrong(key, "is " + shown(value) + ", not true or false");
        }
        return Boolean.TRUE.equals(value);
    }

    /** A number that is not negative. */
    public double number(String key) throws Refusal {
        Object value = required(key);
        if (!(value instanceof Number)) {
            throw wrong(key, "is " + shown(value) + ", not a number");
        }
        double number = ((Number) value).doubleValue();
        if (number < 0) {
            throw wrong(key, "is " + shown(value) + ", which cannot be");
        }
        return number;
    }

    /** A number that is not negative, or the default where the key is missing. */
    public double number(String key, double otherwise) throws Refusal {
        return values.containsKey(key) ? number(key) : otherwise;
    }

    /** A number that is not negative, or null where there is none. */
    public Double optionalNumber(String key) throws Refusal {
        return has(key) ? Double.valueOf(number(key)) : null;
    }

    /** A whole number that is not negative. */
    public int integer(String key) throws Refusal {
        double number = number(key);
        if (number != Math.rint(number)) {
            throw wrong(key, "is " + shown(values.get(key)) + ", not a whole number");
        }
        if (number > Integer.MAX_VALUE) {
            throw wrong(key, "is " + shown(values.get(key)) + ", which cannot be");
        }
        return (int) number;
    }

    /** A whole number that is not negative, or the default where the key is missing. */
    public int integer(String key, int otherwise) throws Refusal {
        return values.containsKey(key) ? integer(key) : otherwise;
    }

    /** A list of anything. */
    public List<?> list(String key) throws Refusal {
        Object value = required(key);
        if (!(value instanceof List)) {
            throw wrong(key, "is " + shown(value) + ", not a list");
        }
        return (List<?>) value;
    }

    /** A reader of an object that has to be there. */
    public JsonReader object(String key) throws Refusal {
        Object value = required(key);
        if (!(value instanceof Map)) {
            throw wrong(key, "is not an object");
        }
        return new JsonReader(objectIn(value, origin), origin, prefix + key + ".");
    }

    /** Readers of a list of objects. */
    public List<JsonReader> objects(String key) throws Refusal {
        List<JsonReader> found = new ArrayList<>();
        for (Object value : list(key)) {
            if (!(value instanceof Map)) {
                throw wrong(key, "is not a list of objects");
            }
            String path = prefix + key + "[" + found.size() + "].";
            found.add(new JsonReader(objectIn(value, origin), origin, path));
        }
        return found;
    }

    /** A list of lists of texts. */
    public List<List<String>> textLists(String key) throws Refusal {
        List<List<String>> found = new ArrayList<>();
        for (Object row : list(key)) {
            if (!(row instanceof List)) {
                throw wrong(key, "is not a list of lists of texts");
            }
            List<String> texts = new ArrayList<>();
            for (Object value : (List<?>) row) {
                if (!(value instanceof String)) {
                    throw wrong(key, "is not a list of lists of texts");
                }
                texts.add((String) value);
            }
            found.add(texts);
        }
        return found;
    }

    /** The refusal of a key's value, for checks that the caller makes. */
    public Refusal wrong(String key, String what) {
        return Refusal.badInput(origin + ": \"" + prefix + key + "\" " + what);
    }

    private Object required(String key) throws Refusal {
        if (!values.containsKey(key)) {
            throw wrong(key, "is missing");
        }
        return values.get(key);
    }

    private static String shown(Object value) {
        return value instanceof String ? "'" + value + "'" : JsonWriter.write(value);
    }
}
