package dev.edgedeploy.harness;

import java.util.Map;

/** Writes Map, Iterable, long[], CharSequence, Number, Boolean and null as JSON on one line. */
public final class JsonWriter {
    private final StringBuilder text = new StringBuilder();

    private JsonWriter() {
    }

    /** The JSON of a value; IllegalArgumentException for what JSON does not have. */
    public static String write(Object value) {
        JsonWriter writer = new JsonWriter();
        writer.value(value);
        return writer.text.toString();
    }

    private void value(Object value) {
        if (value == null || value instanceof Boolean) {
            text.append(value);
        } else if (value instanceof CharSequence) {
            string((CharSequence) value);
        } else if (value instanceof Number) {
            number((Number) value);
        } else if (value instanceof Map) {
            object((Map<?, ?>) value);
        } else if (value instanceof long[]) {
            numbers((long[]) value);
        } else if (value instanceof Iterable) {
            array((Iterable<?>) value);
        } else {
            throw new IllegalArgumentException("JSON has no " + value.getClass().getName());
        }
    }

    private void number(Number number) {
        double value = number.doubleValue();
        if (Double.isNaN(value) || Double.isInfinite(value)) {
            throw new IllegalArgumentException("JSON has no " + value);
        }
        text.append(number);
    }

    private void numbers(long[] numbers) {
        text.append('[');
        for (int place = 0; place < numbers.length; place++) {
            text.append(place == 0 ? "" : ",").append(numbers[place]);
        }
        text.append(']');
    }

    private void array(Iterable<?> values) {
        String separator = "[";
        for (Object value : values) {
            text.append(separator);
            value(value);
            separator = ",";
        }
        text.append(separator.equals("[") ? "[]" : "]");
    }

    private void object(Map<?, ?> values) {
        text.append('{');
        String separator = "";
        for (Map.Entry<?, ?> entry : values.entrySet()) {
            text.append(separator);
            string((String) entry.getKey());
            text.append(':');
            value(entry.getValue());
            separator = ",";
        }
        text.append('}');
    }

    private void string(CharSequence given) {
        text.append('"');
        for (int place = 0; place < given.length(); place++) {
            char unit = given.charAt(place);
            if (unit == '"' || unit == '\\') {
                text.append('\\').append(unit);
            } else if (unit >= 0x20 && unit < 0x7f) {
                text.append(unit);
            } else {
                text.append("\\u");
                for (int shift = 12; shift >= 0; shift -= 4) {
                    text.append(Character.forDigit(unit >> shift & 0xf, 16));
                }
            }
        }
        text.append('"');
    }
}
