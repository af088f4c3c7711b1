package dev.edgedeploy.classifier;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** The keys of one JSON object, read by type; a wrong one is an error that names it. */
final class JsonFields {
    private final String origin;
    private final Map<?, ?> values;

    private JsonFields(String origin, Map<?, ?> values) {
        this.origin = origin;
        this.values = values;
    }

    /** {@code origin} is how an error calls the text, a file name. */
    static JsonFields parse(String text, String origin) {
        Object value;
        try {
            value = Json.parse(text);
        } catch (IllegalArgumentException error) {
            throw new ClassifierException(
                    origin + " is damaged (" + error.getMessage() + "); build the bundle again",
                    error);
        }
        return of(value, origin);
    }

    static JsonFields of(Object value, String origin) {
        if (!(value instanceof Map)) {
            throw new ClassifierException(
                    origin + " is no JSON object; build the bundle again");
        }
        return new JsonFields(origin, (Map<?, ?>) value);
    }

    boolean isNull(String key) {
        return values.get(key) == null;
    }

    boolean has(String key) {
        return values.containsKey(key);
    }

    String text(String key) {
        return typed(key, String.class, "a text");
    }

    boolean flag(String key) {
        return typed(key, Boolean.class, "true or false");
    }

    double number(String key) {
        return typed(key, Double.class, "a number");
    }

    /** A whole number of an int's range. */
    int integer(String key) {
        return whole(key, number(key));
    }

    JsonFields object(String key) {
        return of(typed(key, Map.class, "an object"), origin + ": " + key);
    }

    List<?> list(String key) {
        return typed(key, List.class, "a list");
    }

    List<JsonFields> objects(String key) {
        List<JsonFields> made = new ArrayList<>();
        for (Object item : list(key)) {
            made.add(of(item, origin + ": " + key));
        }
        return made;
    }

    double[] numbers(String key) {
        List<?> list = list(key);
        double[] made = new double[list.size()];
        for (int i = 0; i < made.length; i++) {
            if (!(list.get(i) instanceof Double)) {
                throw wrong(key, "a list of numbers");
            }
            made[i] = (Double) list.get(i);
        }
        return made;
    }

    int[] integers(String key) {
        double[] numbers = numbers(key);
        int[] made = new int[numbers.length];
        for (int i = 0; i < made.length; i++) {
            made[i] = whole(key, numbers[i]);
        }
        return made;
    }

    /** One of {@code choices}. */
    String choice(String key, String... choices) {
        String value = text(key);
        StringBuilder listed = new StringBuilder();
        for (String choice : choices) {
            if (choice.equals(value)) {
                return value;
            }
            listed.append(listed.length() > 0 ? ", " : "").append(choice);
        }
        throw new ClassifierException(
                origin + ": " + key + " is \"" + value + "\"; this wrapper knows " + listed);
    }

    private int whole(String key, double value) {
        if (value != Math.rint(value) || Math.abs(value) > Integer.MAX_VALUE) {
            throw wrong(key, "a whole number");
        }
        return (int) value;
    }

    private <T> T typed(String key, Class<T> type, String name) {
        Object value = values.get(key);
        if (!type.isInstance(value)) {
            throw wrong(key, name);
        }
        return type.cast(value);
    }

    private ClassifierException wrong(String key, String name) {
        String fault = values.get(key) == null ? " lacks " : ": wrong value for ";
        return new ClassifierException(
                origin + fault + "\"" + key + "\" (" + name + "); build the bundle again");
    }
}
