"""Damaged ONNX models: each gives a network or one clear error, in bounded memory and time.

``python tests/importers/fuzz.py --count 100000 --seed 1`` prints one line of JSON; a case that fails is written to
``--keep FOLDER``. Every case follows from the seed and its number, in any order.
"""

import argparse
import collections
import json
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

HERE = Path(__file__).parent
MEMORY = 3 << 30  # bytes of address space, numpy's and the interpreter's own about 1 GiB
SECONDS = 10  # of the processor's time for one model


def cases(seed, first, count):
    """(number, name of the model, bytes) of each case."""
    from mutations import mutated

    originals = [(path.stem, path.read_bytes()) for path in sorted((HERE / "data").glob("*.onnx"))]
    for number in range(first, first + count):
        rng = random.Random(f"{seed} {number}")
        name, data = rng.choice(originals)
        yield number, name, mutated(data, rng)


def outcome(path):
    """What became of a model file: "read", or why not. Raises what is no error of ours."""
    from hwshift.errors import NetworkError
    from hwshift.importers import from_onnx

    try:
        from_onnx(path).verify()
    except NetworkError as error:
        text = str(error)
        if "\n" in text or len(text) > 2000:
            raise AssertionError(f"not one line: {text[:200]!r}") from None
        return "no model" if "not a valid ONNX model" in text else "refused"
    return "read"


def _too_slow(signum, frame):
    del signum, frame
    raise TimeoutError(f"more than {SECONDS} s")


def run(seed, first, count, keep, folder):
    """Counts of the outcomes, the failures, and the slowest case."""
    counts, failures, slowest = collections.Counter(), [], (0.0, first)
    signal.signal(signal.SIGPROF, _too_slow)
    for number, name, data in cases(seed, first, count):
        path = folder / "model.onnx"
        path.write_bytes(data)
        started = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            counts[outcome(path)] += 1
        except Exception as error:
            failures.append(
                {"case": number, "model": name, "error": f"{type(error).__name__}: {error}"[:300]}
            )
            if keep:
                (keep / f"{seed}-{number}.onnx").write_bytes(data)
                (keep / f"{seed}-{number}.txt").write_text(traceback.format_exc())
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        slowest = max(slowest, (time.process_time() - started, number))
    return {
        "outcomes": dict(counts),
        "failures": failures,
        "slowest_s": round(slowest[0], 3),
        "slowest": slowest[1],
    }


def main():
    """Returns 1 where a case failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    sys.path.insert(0, str(HERE))
    import hwshift.importers.onnx_file  # noqa: F401  what is loaded once does not count as a model's memory

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        result = run(options.seed, options.first, options.count, options.keep, Path(folder))
    result |= {"seconds": round(time.perf_counter() - started, 1), "peak_mib": _peak_kib() // 1024}
    print(json.dumps(result))
    return 1 if result["failures"] else 0


def _peak_kib():
    """The most memory this process had; what getrusage tells starts with that of the process that started it."""
    status = Path("/proc/self/status")
    if status.exists():
        return next(
            int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM:")
        )
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    sys.exit(main())
