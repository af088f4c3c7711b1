package dev.edgedeploy.harness;

import java.io.File;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeSet;

/**
 * What the machine is doing, as far as a process can read it for itself; the keys are those of the
 * host's Telemetry. What cannot be read is null, and nothing here throws.
 */
final class Telemetry {
    private static final String CPUS = "sys/devices/system/cpu";
    private static final String HEAT = "sys/class/thermal";
    private static final String SUPPLIES = "sys/class/power_supply";
    // The kernel's USER_HZ, which is 100 wherever Android or Linux runs.
    private static final double TICKS = 100.0;

    /** CPU seconds so far: of the whole machine, busy and all, and of this process. */
    static final class CpuTimes {
        final double busy;
        final double total;
        final double own;

        CpuTimes(double busy, double total, double own) {
            this.busy = busy;
            this.total = total;
            this.own = own;
        }
    }

    private final SystemFiles files;

    Telemetry(File root) {
        files = new SystemFiles(root);
    }

    /** One look; `othersShare`: the CPU share of other programs since the last one, or null. */
    Map<String, Object> look(Double othersShare) {
        Map<String, Object> found = new LinkedHashMap<>();
        found.put("governor", governor());
        found.put("frequency_mhz", largestMhz("scaling_cur_freq"));
        found.put("max_frequency_mhz", largestMhz("cpuinfo_max_freq"));
        found.put("temperatures_celsius", temperatures());
        found.put("load_average", loadAverage());
        found.put("others_cpu_share", othersShare);
        found.put("throttled", null);
        putBattery(found);
        found.put("energy_uj", null);
        found.put("lowest_frequency_mhz", largestMhz("scaling_min_freq"));
        found.put("limit_frequency_mhz", largestMhz("scaling_max_freq"));
        found.put("arm_clock_mhz", null);
        found.put("core_volts", null);
        found.put("under_voltage", null);
        // Only the host can ask the system's services for these.
        found.put("thermal_status", null);
        found.put("battery_celsius", null);
        found.put("charging", null);
        found.put("low_power_mode", null);
        found.put("memory_available_bytes", null);
        return found;
    }

    /** CPU seconds so far; null where the system does not say, as Android does not to apps. */
    CpuTimes cpuTimes() {
        long[] machine = numbersAfter(files.text("proc/stat"), "cpu ", 8);
        String own = files.text("proc/self/stat");
        if (machine == null || own == null) {
            return null;
        }
        // The second field is the program's name in parentheses, which may hold spaces.
        String[] fields = own.substring(own.lastIndexOf(')') + 1).trim().split(" ");
        if (fields.length < 13) {
            return null;
        }
        double total = 0;
        for (long ticks : machine) {
            total += ticks;
        }
        // user nice system idle iowait irq softirq steal.
        double idle = machine[3] + machine[4];
        double ticks = Double.parseDouble(fields[11]) + Double.parseDouble(fields[12]);
        return new CpuTimes((total - idle) / TICKS, total / TICKS, ticks / TICKS);
    }

    /** The share of the machine's CPU time that other programs took; null where unknown. */
    static Double othersShare(CpuTimes before, CpuTimes after) {
        if (before == null || after == null || after.total <= before.total) {
            return null;
        }
        double others = (after.busy - before.busy) - (after.own - before.own);
        return Math.min(1.0, Math.max(0.0, others / (after.total - before.total)));
    }

    /** The highest resident set of this process so far, in bytes; null where unknown. */
    Long peakMemoryBytes() {
        String status = files.text("proc/self/status");
        if (status != null) {
            for (String line : status.split("\n")) {
                if (line.startsWith("VmHWM:")) {
                    return Long.parseLong(line.replaceAll("\\D", "")) * 1024;
                }
            }
        }
        return null;
    }

    /** Seconds since boot, as in /proc/uptime; null where the system does not say. */
    Double uptimeSeconds() {
        String text = files.text("proc/uptime");
        return text == null ? null : Double.valueOf(text.split(" ")[0]);
    }

    private static long[] numbersAfter(String text, String label, int count) {
        if (text == null || !text.startsWith(label)) {
            return null;
        }
        String[] fields = text.split("\n", 2)[0].substring(label.length()).trim().split(" +");
        if (fields.length < 4) {
            return null;
        }
        long[] found = new long[count];
        for (int place = 0; place < Math.min(count, fields.length); place++) {
            if (!fields[place].matches("\\d{1,18}")) {
                return null;
            }
            found[place] = Long.parseLong(fields[place]);
        }
        return found;
    }

    private String governor() {
        TreeSet<String> names = new TreeSet<>();
        for (String cpu : files.names(CPUS, "cpu[0-9]+")) {
            String text = files.text(CPUS + "/" + cpu + "/cpufreq/scaling_governor");
            if (text != null && !text.isEmpty()) {
                names.add(text);
            }
        }
        return names.isEmpty() ? null : String.join("+", names);
    }

    private Double largestMhz(String name) {
        Long largest = null;
        for (String cpu : files.names(CPUS, "cpu[0-9]+")) {
            Long found = files.number(CPUS + "/" + cpu + "/cpufreq/" + name);
            largest = found == null || largest != null && largest > found ? largest : found;
        }
        return largest == null ? null : Double.valueOf(largest / 1000.0);
    }

    private Map<String, Object> temperatures() {
        Map<String, Object> found = new LinkedHashMap<>();
        for (String zone : files.names(HEAT, "thermal_zone[0-9]+")) {
            Long milli = files.number(HEAT + "/" + zone + "/temp");
            String kind = files.text(HEAT + "/" + zone + "/type");
            // A sensor that is switched off says 0 or an error's number.
            if (milli != null && milli > 0 && milli < 200_000) {
                found.put(kind == null ? zone : zone + " (" + kind + ")", milli / 1000.0);
            }
        }
        return found.isEmpty() ? null : found;
    }

    private Double loadAverage() {
        String text = files.text("proc/loadavg");
        try {
            return text == null ? null : Double.valueOf(text.split(" ")[0]);
        } catch (NumberFormatException error) {
            return null;
        }
    }

    private void putBattery(Map<String, Object> found) {
        Double percent = null;
        Boolean discharging = null;
        for (String supply : files.names(SUPPLIES, ".*")) {
            String folder = SUPPLIES + "/" + supply;
            if ("Battery".equals(files.text(folder + "/type"))) {
                Long capacity = files.number(folder + "/capacity");
                String status = files.text(folder + "/status");
                percent = capacity == null || capacity < 0 ? null : Double.valueOf(capacity);
                discharging = status == null ? null : status.equals("Discharging");
                break;
            }
        }
        found.put("battery_percent", percent);
        found.put("on_battery", discharging);
    }
}
