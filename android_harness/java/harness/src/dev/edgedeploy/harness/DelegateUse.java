package dev.edgedeploy.harness;

import java.util.LinkedHashMap;
import java.util.Map;

/** Which delegate ran, and the share of the operators that it took; null where that is unknown. */
public final class DelegateUse {
    /** What is stated where nothing in this process can tell. */
    public static final DelegateUse UNKNOWN = new DelegateUse("unknown", null);
    /** No delegate: the runtime's own kernels. */
    public static final DelegateUse NONE = new DelegateUse("none", 0.0);

    public final String used;
    public final Double operatorShare;

    public DelegateUse(String used, Double operatorShare) {
        this.used = used;
        this.operatorShare = operatorShare;
    }

    /** Plain values, with what was asked for. */
    public Map<String, Object> toJson(String asked) {
        Map<String, Object> found = new LinkedHashMap<>();
        found.put("asked", asked);
        found.put("used", used);
        found.put("operator_share", operatorShare);
        return found;
    }
}
