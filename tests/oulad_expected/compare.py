#!/usr/bin/env python3
"""Compares what the example `oulad` printed with `expected.json`.

    target/debug/kigen-oulad run … | python3 tests/oulad_expected/compare.py

Counts by reason that are 0 may be missing, and so may the age of the oldest where none is due.
The exit code is 1 if anything differs, a job reports an error, or there was nothing to compare.
"""

import json
import sys
from pathlib import Path


def figures(stage):
    return {
        "due": {word: stage["due"][word] for word in ("records", "subjects")},
        "disposed": stage["disposed"],
        "retained": {reason: n for reason, n in sorted(stage["retained"].items()) if n},
        "oldest_overdue_days": stage.get("oldest_overdue_days") or 0,
    }


def differences(document, expected):
    found = {}
    for job in document["jobs"]:
        if job.get("error") is not None:
            yield f"{job['job']}: {job['error']}"
        for stage in job["stages"]:
            found[f"{job['job']}/{stage['stage']}"] = figures(stage)
    for name in sorted(expected.keys() | found.keys()):
        if found.get(name) != expected.get(name):
            yield f"{name}: found {found.get(name)}, expected {expected.get(name)}"


def main():
    expected = json.loads((Path(__file__).resolve().parent / "expected.json").read_text())
    dates = wrong = 0
    for line in sys.stdin:
        document = json.loads(line)
        day = document["as_of"]
        dates += 1
        if day not in expected:
            problems = ["nothing is expected of this date"]
        else:
            problems = list(differences(document, expected[day]))
        wrong += len(problems)
        print(day, "differs" if problems else "as expected")
        for problem in problems:
            print("  " + problem)
    if not dates:
        print("nothing to compare")
    sys.exit(0 if dates and not wrong else 1)


if __name__ == "__main__":
    main()
