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
the contender's name says so too. `{"row", "contender", "seconds", "most", "warm"}` is answered by `{"times": [milliseconds, ...]}`, `{"forget": row}` by `{}`,
`{"memory": row, "contender"}` by `{"memory": megabytes}`, measured in a process of its own, and a failure by `{"error": text}`.
"""

import argparse
import gc
import importlib.metadata
import json
import os
import subprocess
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
    return parser.parse_known_args()[0].threads


def serve(*packages):
    """Answers requests until the input ends."""
    if "--memory" in sys.argv:
        print(_above(*sys.argv[sys.argv.index("--memory") + 1 :]))
        return
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
    if "memory" in request:
        return {"memory": _memory(request["memory"], request["contender"])}
    key = (request["row"], request["contender"])
    if key not in ready:
        ready[key] = _makers[key[0]][key[1]]()
        time.sleep(0.03)  # until the caller's threads are asleep
        ready[key]()  # not counted
    elif request["warm"]:
        time.sleep(0.03)
        ready[key]()  # not counted: the caller has worked in the caches meanwhile
    run, times, spent = ready[key], [], 0.0
    while len(times) < request["most"]:
        start = time.perf_counter()
        run()
        seconds = time.perf_counter() - start
        times.append(1e3 * seconds * getattr(run, "scale", 1.0))
        spent += seconds
        if spent + seconds > request["seconds"]:
            break
    return {"times": times}


def _memory(row, contender):
    """Megabytes of one run, in a process that neither earlier rows nor an allocator told to keep all have touched."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    command = [sys.executable, *sys.argv, "--memory", row, contender]
    output = subprocess.run(command, env=environment, capture_output=True, text=True)
    if output.returncode != 0:
        raise RuntimeError(f"{contender} did not run by itself: {output.stderr.strip()}")
    return float(output.stdout.split()[-1])


def _above(row, contender):
    """The most memory that a run occupies above what is occupied when its inputs are ready, in megabytes."""
    run = _makers[row][contender]()
    gc.collect()
    with open("/proc/self/clear_refs", "w") as marks:
        marks.write("5")
    before = _status("VmRSS:")
    run()
    return _status("VmHWM:") - before


def _status(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(name))
