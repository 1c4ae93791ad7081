"""The peers' side of `cargo xtask bench --peer`.

A script declares contenders and serves them:

    from protocol import contender, serve

    @contender("conv4-step", "PyTorch")
    def _():
        model = ...                  # built once, when the row is first asked for
        return lambda: step(model)   # called for every run

    serve("torch")                   # packages whose versions are to be named

The first line written is `{"versions": [...], "rows": {row: [contender, ...]}}`. Then every request gets one line:
A run that would take hours does a part of the work, and its attribute `scale` says by how much its time is multiplied;
the contender's name says so too. `{"row", "contender", "seconds", "most"}` is answered by `{"times": [milliseconds, ...]}`, `{"forget": row}` by `{}`,
and a failure by `{"error": text}`.
"""

import argparse
import gc
import importlib.metadata
import json
import sys
import time
import traceback

NAMES = {"torch": "PyTorch", "numpy": "NumPy", "pillow": "Pillow"}

_makers = {}


def contender(row, name):
    """Registers a function that prepares a row and returns what is to be timed."""

    def register(make):
        _makers.setdefault(row, {})[name] = make
        return make

    return register


def threads():
    """The number of threads that the caller allows."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args().threads


def serve(*packages):
    """Answers requests until the input ends."""
    # Answers have the output for themselves; what libraries print goes where errors go.
    answers, sys.stdout = sys.stdout, sys.stderr

    def say(answer):
        print(json.dumps(answer), file=answers, flush=True)

    versions = [f"{NAMES.get(p, p)} {importlib.metadata.version(p)}" for p in packages]
    say({"versions": versions, "rows": {row: list(makers) for row, makers in _makers.items()}})
    ready = {}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            say(_answer(request, ready))
        except Exception as error:  # reported to the caller, which ends the measurement
            traceback.print_exc()
            say({"error": f"{type(error).__name__}: {error}"})


def _answer(request, ready):
    if "forget" in request:
        for key in [key for key in ready if key[0] == request["forget"]]:
            del ready[key]
        gc.collect()
        return {}
    key = (request["row"], request["contender"])
    if key not in ready:
        ready[key] = _makers[key[0]][key[1]]()
        ready[key]()  # not counted
    run, times, spent = ready[key], [], 0.0
    time.sleep(0.03)  # until the caller's threads are asleep
    while len(times) < request["most"]:
        start = time.perf_counter()
        run()
        seconds = time.perf_counter() - start
        times.append(1e3 * seconds * getattr(run, "scale", 1.0))
        spent += seconds
        if spent + seconds > request["seconds"]:
            break
    return {"times": times}
