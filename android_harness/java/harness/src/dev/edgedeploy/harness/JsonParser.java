package dev.edgedeploy.harness;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads JSON as RFC 8259 has it, and nothing more lenient: bounded depth, no key twice, no NaN.
 *
 * <p>Values are Map, List, String, Long, Double, Boolean and null.
 */
public final class JsonParser {
    private static final int MOST_DEPTH = 64;

    private final String text;
    private int place;

    private JsonParser(String text) {
        this.text = text;
    }

    /** The value of a whole text; the refusal says what is wrong, and where. */
    public static Object parse(String text) throws Refusal {
        JsonParser parser = new JsonParser(text);
        Object value = parser.value(0);
        parser.skipSpace();
        if (parser.place < text.length()) {
            throw parser.wrong("something follows the value");
        }
        return value;
    }

    private Object value(int depth) throws Refusal {
        if (depth > MOST_DEPTH) {
            throw wrong("it is nested too deeply");
        }
        skipSpace();
        char next = peek();
        switch (next) {
            case '{':
                return object(depth);
            case '[':
                return array(depth);
            case '"':
                return string();
            case 't':
                return word("true", Boolean.TRUE);
            case 'f':
                return word("false", Boolean.FALSE);
            case 'n':
                return word("null", null);
            default:
                return number();
        }
    }

    private Map<String, Object> object(int depth) throws Refusal {
        Map<String, Object> found = new LinkedHashMap<>();
        place++;
        skipSpace();
        if (peek() == '}') {
            place++;
            return found;
        }
        while (true) {
            skipSpace();
            if (peek() != '"') {
                throw wrong("a key is missing");
            }
            String key = string();
            skipSpace();
            take(':');
            if (found.containsKey(key)) {
                throw wrong("the key \"" + key + "\" is there twice");
            }
            found.put(key, value(depth + 1));
            skipSpace();
            if (peek() == '}') {
                place++;
                return found;
            }
            take(',');
        }
    }

    private List<Object> array(int depth) throws Refusal {
        List<Object> found = new ArrayList<>();
        place++;
        skipSpace();
        if (peek() == ']') {
            place++;
            return found;
        }
        while (true) {
            found.add(value(depth + 1));
            skipSpace();
            if (peek() == ']') {
                place++;
                return found;
            }
            take(',');
        }
    }

    private String string() throws Refusal {
        StringBuilder found = new StringBuilder();
        place++;
        while (true) {
            char next = peek();
            place++;
            if (next == '"') {
                return found.toString();
            }
            if (next < 0x20) {
                throw wrong("a text holds a control character");
            }
            found.append(next == '\\' ? escaped() : next);
        }
    }

    private char escaped() throws Refusal {
        char next = peek();
        place++;
        switch (next) {
            case '"':
            case '\\':
            case '/':
                return next;
            case 'b':
                return '\b';
            case 'f':
                return '\f';
            case 'n':
                return '\n';
            case 'r':
                return '\r';
            case 't':
                return '\t';
            case 'u':
                return unit();
            default:
                throw wrong("a text holds an unknown escape");
        }
    }

    private char unit() throws Refusal {
        int code = 0;
        for (int digit = 0; digit < 4; digit++) {
            int value = Character.digit(peek(), 16);
            if (value < 0 || peek() > 'f') {
                throw wrong("a text holds an unknown escape");
            }
            code = code * 16 + value;
            place++;
        }
        return (char) code;
    }

    private Object word(String word, Object value) throws Refusal {
        if (!text.startsWith(word, place)) {
            throw wrong("there is no value");
        }
        place += word.length();
        return value;
    }

    private Object number() throws Refusal {
        int begin = place;
        if (peek() == '-') {
            place++;
        }
        if (peek() == '0') {
            place++;
        } else {
            digits();
        }
        boolean whole = true;
        if (at('.')) {
            whole = false;
            place++;
            digits();
        }
        if (at('e') || at('E')) {
            whole = false;
            place++;
            if (at('+') || at('-')) {
                place++;
            }
            digits();
        }
        String found = text.substring(begin, place);
        if (whole && found.length() <= 18) {
            return Long.valueOf(found);
        }
        double value = Double.parseDouble(found);
        if (Double.isInfinite(value)) {
            throw wrong("a number is too large");
        }
        return value;
    }

    private void digits() throws Refusal {
        int begin = place;
        while (place < text.length() && text.charAt(place) >= '0' && text.charAt(place) <= '9') {
            place++;
        }
        if (place == begin) {
            throw wrong("there is no value");
        }
    }

    private boolean at(char wanted) {
        return place < text.length() && text.charAt(place) == wanted;
    }

    private char peek() throws Refusal {
        if (place >= text.length()) {
            throw wrong("it ends too early");
        }
        return text.charAt(place);
    }

    private void take(char wanted) throws Refusal {
        if (peek() != wanted) {
            throw wrong("'" + wanted + "' is missing");
        }
        place++;
    }

    private void skipSpace() {
        while (at(' ') || at('\t') || at('\n') || at('\r')) {
            place++;
        }
    }

    private Refusal wrong(String what) {
        return Refusal.badInput(what + " (character " + place + ")");
    }
}
