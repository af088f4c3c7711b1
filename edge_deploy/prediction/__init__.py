"""Latency of a model on a device that is not at hand: workload, features, fitted models, intervals.

`workload.py` reads what a `.tflite` asks of a device, `features.py` names it in figures, and
nothing else of the model is seen by what predicts.
"""
