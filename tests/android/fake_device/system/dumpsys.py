#!/usr/bin/python3 -IS
"""dumpsys battery, thermalservice, powerstats, batterystats, power: answers that move."""

# ruff: noqa: PTH108, PTH110

import json
import os
import subprocess
import sys

STATE = "/fake/state"
OVERRIDE = STATE + "/kept/battery_override"
# The hardware's own service, which has the energies; "powerstats" lists the rails.
METER = "android.hardware.power.stats.IPowerStats/default"


def read(name):
    with open(f"{STATE}/{name}") as file:
        return file.read()


def battery(arguments, maker):
    if arguments[:1] in (["unplug"], ["set"]):
        with open(OVERRIDE, "a") as file:
            file.write(" ".join(arguments) + "\n")
        return ""
    if arguments[:1] == ["reset"]:
        if os.path.exists(OVERRIDE):
            os.unlink(OVERRIDE)
        return ""
    values = json.loads(read("battery.json"))
    plugged = values["charging"] and not os.path.exists(OVERRIDE)
    zero_charge = maker == "samsung"
    lines = [
        "Current Battery Service state:",
        *(["  (UPDATES STOPPED -- use 'reset' to restart)"] if os.path.exists(OVERRIDE) else []),
        "  AC powered: false",
        f"  USB powered: {str(plugged).lower()}",
        "  Wireless powered: false",
        "  Max charging current: " + ("500000" if plugged else "0"),
        "  Max charging voltage: " + ("5000000" if plugged else "0"),
        f"  Charge counter: {0 if zero_charge else values['charge_uah']}",
        f"  status: {2 if plugged else 3}",
        "  health: 2",
        "  present: true",
        f"  level: {values['level']}",
        "  scale: 100",
        f"  voltage: {values['voltage_mv']}",
        f"  temperature: {values['temperature_decidegrees']}",
        "  technology: Li-ion",
    ]
    if maker == "samsung":
        lines.append(f"  current now: {values['current_ua'] // 1000}")
    return "\n".join(lines) + "\n"


def thermalservice(hot):
    status = 3 if hot else 0
    return f"""IsStatusOverride: false
ThermalEventListeners:
\tcallbacks: 1
ThermalStatusListeners:
\tcallbacks: 2
Thermal Status: {status}
Cached temperatures:
\tTemperature{{mValue={58.5 if hot else 33.5}, mType=3, mName=VIRTUAL-SKIN, mStatus={status}}}
\tTemperature{{mValue=29.5, mType=2, mName=battery, mStatus=0}}
HAL Ready: true
HAL connection:
\tThermal HAL 2.0 connected: yes
Current temperatures from HAL:
\tTemperature{{mValue={58.5 if hot else 33.5}, mType=3, mName=VIRTUAL-SKIN, mStatus={status}}}
\tTemperature{{mValue=41.0, mType=0, mName=BIG, mStatus=0}}
\tTemperature{{mValue=0.0, mType=0, mName=MID, mStatus=0}}
\tTemperature{{mValue=29.5, mType=2, mName=battery, mStatus=0}}
Current cooling devices from HAL:
\tCoolingDevice{{mValue=0, mType=2, mName=thermal-cpufreq-0}}
"""


RAILS = (
    ("S4M_VDD_CPUCL0", "CPU(LITTLE)", 0.2),
    ("S2M_VDD_CPUCL2", "CPU(BIG)", 0.5),
    ("S1M_VDD_MIF", "Memory", 0.3),
)


def powerstats():
    lines = ["PowerStatsService dumpsys: available Channels"]
    for number, (name, subsystem, _) in enumerate(RAILS):
        lines.append(f"  ChannelId: {number}, ChannelName: {name}, ChannelSubsystem: {subsystem}")
    return "\n".join(lines) + "\n"


def energy_meter():
    energy = json.loads(read("battery.json"))["energy_uj"]
    title = "PowerStats HAL 2.0 energy meter"
    lines = ["", f"============= {title} ==============", f"  {'Channel':>32}   Cumulative Energy"]
    for name, subsystem, share in RAILS:
        rail = f"[{name}]:{subsystem}"
        lines.append(f"  {rail:>32}   {energy * share / 1000:14.2f} mWs")
    return "\n".join([*lines, f"========== End of {title} ==========", ""])


def main():
    arguments = sys.argv[1:]
    maker = (
        subprocess.run(
            ["/system/bin/getprop", "ro.product.manufacturer"],
            capture_output=True,
            text=True,
            check=False,
        )
        .stdout.strip()
        .lower()
    )
    faults = json.loads(read("faults.json"))
    services = ["battery", "batterystats", "power", "thermalservice"]
    if maker == "google":
        services += [METER, "powerstats"]
    missing = faults["no_services"]
    services = sorted(name for name in services if name not in missing)
    if "powerstats" in missing and METER in services:
        services.remove(METER)
    if arguments[:1] == ["-l"]:
        print("Currently running services:", *services, sep="\n  ")
        return 0
    arguments = [word for word in arguments if not word.startswith("-t")]
    if not arguments:
        return 0
    service = arguments.pop(0)
    if service not in services:
        print(f"Can't find service: {service}", file=sys.stderr)
        return 0
    if service == "battery":
        text = battery(arguments, maker)
    elif service == "thermalservice":
        text = thermalservice(faults["hot"])
    elif service == "powerstats":
        text = powerstats()
    elif service == METER:
        text = energy_meter()
    elif service == "batterystats":
        text = "9,0,i,vers,36,200,AP1A,AP1A\n"
    else:
        text = f"POWER MANAGER (dumpsys power)\n  mWakefulness={read('kept/wakefulness')}"
    sys.stdout.write(text)
    return 0


sys.exit(main())
