"""Latency of a model on a device that is not at hand.

`workload.py` reads what a `.tflite` asks of a device, `features.py` names it in figures, and
nothing else of the model is seen by what predicts. `choosing.py` finds the coefficients of a device
that answer for a run, `predicting.py` makes the figures. The rooms: `latency` fits coefficients and
their intervals, `tables` fits those of the catalogue to published times, `calibration` those of a
device at hand, with models out of `synthetic`; `networks` rebuilds what was published.
"""
