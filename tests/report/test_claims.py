"""How claims are put in words."""

from synthetic_run import Synthetic, reached

from metabench.report import words
from metabench.report.blocks import blocks_of
from metabench.report.claims import claims_of
from metabench.tables import load

CLAIM = {"source": "", "of": "fomaml", "against": "maml", "published": False, "where": {}}
CLAIM |= {"versus_where": None}


def told(folder, change, *claims):
    """What is claimed, of what, and what was found, in plain spaces."""
    said = [CLAIM | {"id": f"c{at}", "says": "s"} | claim for at, claim in enumerate(claims)]
    suite = Synthetic(algorithms=("maml", "fomaml"), shots=(1,), claims=said, change=change)
    run = load(suite.write(folder / "run"))
    found = claims_of(run, blocks_of(run))
    return [
        tuple(text.replace(words.THIN, " ") for text in (one.about, one.bound, one.found))
        for one in found
    ]


def test_what_is_counted_is_told_without_an_interval(tmp_path):
    def counts(gradients):
        spent = {"tasks": 10, "gradient_evaluations": 10 * gradients}
        return lambda record: record["result"].update(spent=spent)

    change = {("maml", 1, seed): counts(11) for seed in range(5)}
    change |= {("fomaml", 1, seed): counts(6) for seed in range(5)}
    six = {"metric": "gradients_per_task"}
    assert told(
        tmp_path,
        change,
        six | {"bound": "ratio_between", "limits": [0.54, 0.55]},
        six | {"against": 6, "bound": "between", "limits": [-1, 1]},
    ) == [
        ("gradients per task, fomaml over maml", "between 0.54 and 0.55", "0.545"),
        (
            "gradients per task, fomaml less 6",
            f"between {words.MINUS}1 evaluations and +1 evaluations",
            "+0 evaluations",
        ),
    ]


def test_a_gain_says_after_how_many_steps(tmp_path):
    gain = {"metric": "gain", "bound": "difference_above", "limits": [0.0]}
    told_of = told(tmp_path, {}, gain | {"after": 1}, gain | {"after": 5})
    assert [about for about, *_ in told_of] == [
        "gain after 1 step, fomaml less maml",
        "gain after 5 steps, fomaml less maml",
    ]


def test_tasks_and_seconds_to_the_target_have_their_units(tmp_path):
    """Of 2000 iterations with four tasks each."""
    change = {("maml", 1, seed): reached(700 + seed) for seed in range(5)}
    change |= {("fomaml", 1, seed): reached(200) for seed in range(5)}
    below = {"bound": "difference_below", "limits": [0.0]}
    tasks, seconds = told(
        tmp_path,
        change,
        *({"metric": f"{what}_to_target"} | below for what in ("tasks", "seconds")),
    )
    assert tasks[0] == "tasks to target, fomaml less maml"
    assert tasks[2].startswith(f"{words.MINUS}2 008 tasks [")
    assert seconds[0] == "seconds to target, fomaml less maml"
    assert seconds[2].startswith(words.MINUS)
    assert " s " in seconds[2]
