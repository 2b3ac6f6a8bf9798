#!/usr/bin/env python3
"""Computes, without kigen, what the jobs of `crates/oulad` have to find and dispose of.

    python3 tests/oulad_expected/expected.py ../shared/data/oulad [AS_OF ...] > tests/oulad_expected/expected.json

Standard library only, and nothing shared with the worker: own reader, own tables, own calendar
(Civil Code of Japan, arts. 139 to 143). The dates run in order on one database: what an earlier
job or date disposed of is gone for the later ones.

For each date and `job/stage`: `due` (records, and distinct values of the learner column as it
stands then), `disposed`, `retained` per reason, and `oldest_overdue_days`: days since the first
day on which the oldest due record was due; 0 if none is due.
"""

import csv
import gzip
import json
import sys
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

STARTS = {
    "2013B": date(2013, 2, 1),
    "2013J": date(2013, 10, 1),
    "2014B": date(2014, 2, 1),
    "2014J": date(2014, 10, 1),
}
DATES = ["2016-04-01", "2018-06-01", "2021-01-01", "2025-12-31"]
SCREENED = ("Fail", "Withdrawn")
ONE_DAY = timedelta(days=1)


# ── the calendar ──────────────────────────────────────────────────────────────────────────────


def last_day_kept(start, years):
    """The last day of a period of `years` from an event on `start`.

    Art. 140: the first day is not counted. Art. 143: the period ends with the day before the
    corresponding day; where there is none, with the last day of the month.
    """
    counted_from = start + ONE_DAY
    try:
        corresponding = counted_from.replace(year=counted_from.year + years)
    except ValueError:  # only February 29 can be missing
        return date(counted_from.year + years, 2, 28)
    return corresponding - ONE_DAY


def check_the_calendar():
    """The cases of the law that a plain "+1 year" gets wrong, and some that it does not."""
    assert last_day_kept(date(2024, 2, 28), 1) == date(2025, 2, 28)
    assert last_day_kept(date(2015, 2, 28), 1) == date(2016, 2, 29)
    assert last_day_kept(date(2024, 2, 29), 1) == date(2025, 2, 28)
    assert last_day_kept(date(2014, 6, 26), 3) == date(2017, 6, 26)
    assert last_day_kept(date(2014, 12, 31), 10) == date(2024, 12, 31)


# ── the tables ────────────────────────────────────────────────────────────────────────────────


def rows(folder, name):
    with gzip.open(Path(folder) / f"{name}.csv.gz", "rt", newline="") as file:
        yield from csv.DictReader(file)


def number(text):
    return None if text in ("", "?") else int(text)


def enrolments(folder):
    """{(learner, module, presentation): (ended_on, final_result)}"""
    ends = {
        (c["code_module"], c["code_presentation"]): STARTS[c["code_presentation"]]
        + timedelta(days=int(c["module_presentation_length"]))
        for c in rows(folder, "courses")
    }
    results = {key(r): r["final_result"] for r in rows(folder, "studentInfo")}
    table = {}
    for r in rows(folder, "studentRegistration"):
        offset = number(r["date_unregistration"])
        start = STARTS[r["code_presentation"]]
        left = None if offset is None else start + timedelta(days=offset)
        end = left or ends[(r["code_module"], r["code_presentation"])]
        table[key(r)] = (end, results.get(key(r)))
    return table


def key(row):
    return int(row["id_student"]), row["code_module"], row["code_presentation"]


def learners(enrolment):
    """{learner: relationship_ended_on}"""
    table = {}
    for (learner, _, _), (ended_on, _) in enrolment.items():
        table[learner] = max(ended_on, table.get(learner, ended_on))
    return table


def attempts(folder, enrolment):
    """{attempt_id: [subject, module, presentation, course_ended_on, pseudonymized]}"""
    course = {
        r["id_assessment"]: (r["code_module"], r["code_presentation"])
        for r in rows(folder, "assessments")
    }
    table = {}
    for attempt_id, r in enumerate(rows(folder, "studentAssessment"), start=1):
        module, presentation = course[r["id_assessment"]]
        learner = int(r["id_student"])
        ended_on, _ = enrolment.get((learner, module, presentation), (None, None))
        table[attempt_id] = [("clear", learner), module, presentation, ended_on, False]
    return table


# ── the rules ─────────────────────────────────────────────────────────────────────────────────


def decide(purposes, as_of, disposed=False, referenced=False):
    """One word for one record, and the first day on which it was due.

    `purposes` holds (starting point or None, years) of those that apply.
    """
    if disposed:
        return "already-disposed", None
    if not purposes or any(start is None for start, _ in purposes):
        return "undatable", None
    if max(start for start, _ in purposes) > as_of:
        return "starts-in-future", None
    last = max(last_day_kept(start, years) for start, years in purposes)
    if as_of <= last:
        return "not-expired", None
    if referenced:
        return "referenced", None
    return "due", last + ONE_DAY


class Database:
    def __init__(self, folder):
        self.enrolment = enrolments(folder)
        self.learner = learners(self.enrolment)
        self.attempt = attempts(folder, self.enrolment)

    def pseudonymize_attempts(self, as_of):
        verdicts = {}
        for attempt_id, (subject, module, presentation, ended_on, done) in self.attempt.items():
            learner = subject[1]
            # After stage 1 the token names no enrolment and no learner.
            _, result = (None, None) if done else self.enrolment.get(
                (learner, module, presentation), (None, None))
            purposes = [(ended_on, 1)]
            # In doubt a purpose applies.
            if result is None or result in SCREENED:
                purposes.append((None if done else self.learner.get(learner), 3))
            verdicts[attempt_id] = ((module, subject), *decide(purposes, as_of, disposed=done))
        for attempt_id in due(verdicts):
            row = self.attempt[attempt_id]
            row[0], row[4] = ("token", row[0][1]), True
        return verdicts

    def delete_attempts(self, as_of):
        verdicts = {
            attempt_id: ((module, subject), *decide([(ended_on, 10)], as_of))
            for attempt_id, (subject, module, _, ended_on, _) in self.attempt.items()
        }
        for attempt_id in due(verdicts):
            del self.attempt[attempt_id]
        return verdicts

    def delete_enrolments(self, as_of):
        named = {
            (subject[1], module, presentation)
            for subject, module, presentation, _, _ in self.attempt.values()
            if subject[0] == "clear"
        }
        verdicts = {
            k: ((k[1], k[0]), *decide([(ended_on, 5)], as_of, referenced=k in named))
            for k, (ended_on, _) in self.enrolment.items()
        }
        for k in due(verdicts):
            del self.enrolment[k]
        return verdicts

    def delete_learners(self, as_of):
        named = {subject[1] for subject, *_ in self.attempt.values() if subject[0] == "clear"}
        named |= {learner for learner, _, _ in self.enrolment}
        verdicts = {
            learner: (learner, *decide([(ended_on, 3)], as_of, referenced=learner in named))
            for learner, ended_on in self.learner.items()
        }
        for learner in due(verdicts):
            del self.learner[learner]
        return verdicts

    def run(self, as_of):
        stages = {
            "exam-history/pseudonymize": self.pseudonymize_attempts,
            "exam-history/delete": self.delete_attempts,
            "enrolment/delete": self.delete_enrolments,
            "learner/delete": self.delete_learners,
        }
        return {name: figures(stage(as_of), as_of) for name, stage in stages.items()}


def due(verdicts):
    return [record for record, (_, word, _) in verdicts.items() if word == "due"]


def figures(verdicts, as_of):
    found = [v for v in verdicts.values() if v[1] == "due"]
    retained = Counter(word for _, word, _ in verdicts.values() if word != "due")
    return {
        "due": {"records": len(found), "subjects": len({subject for subject, _, _ in found})},
        "disposed": len(found),
        "retained": dict(sorted(retained.items())),
        "oldest_overdue_days": max(((as_of - first).days for _, _, first in found), default=0),
    }


def main():
    check_the_calendar()
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    database = Database(sys.argv[1])
    dates = sys.argv[2:] or DATES
    print(json.dumps({d: database.run(date.fromisoformat(d)) for d in dates}, indent=2))


if __name__ == "__main__":
    main()
