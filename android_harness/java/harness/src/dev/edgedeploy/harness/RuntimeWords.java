package dev.edgedeploy.harness;

/** Sentences about what a runtime said. */
final class RuntimeWords {
    private static final int MOST = 200;

    private RuntimeWords() {
    }

    /** The refusal of a model, by what the runtime says of it. */
    static Refusal refused(String name, Throwable error) {
        String text = oneLine(error);
        String lower = text.toLowerCase(java.util.Locale.ROOT);
        if (lower.contains("custom op") || text.contains("Flex")
            || lower.contains("select tensorflow op")
            || lower.contains("regular tensorflow ops are not supported")) {
            return Refusal.badInput(name + " needs operators that the TFLite runtime does not "
                + "have (" + text + "); `edge-deploy inspect` lists them: convert without them");
        }
        return Refusal.badInput("the TFLite runtime refuses " + name + ": " + text
            + "; check it with `edge-deploy inspect`");
    }

    /** A message on one line, without the runtime's own advice and no longer than a sentence. */
    static String oneLine(Throwable error) {
        String message = error.getMessage() == null ? error.toString() : error.getMessage();
        // LiteRT's log begins its lines with a level and its own source file.
        String text = message.replaceAll("\\s+", " ").replaceAll("(ERROR: )?\\[\\S+:\\d+\\] ", "")
            .replaceAll("^Internal error: ", "").trim();
        text = text.split(" See instructions| Make sure you apply")[0];
        text = text.length() > MOST ? text.substring(0, MOST) : text;
        return text.replaceAll("[. ]+$", "");
    }
}
