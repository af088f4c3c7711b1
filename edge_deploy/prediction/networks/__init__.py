"""Published networks from their layers' shapes alone, for fitting models to published latencies.

Each is a function that answers with a `Workload`, counted as one that is read from a file;
`table.py` names them as the published tables do and writes their features down.
"""
