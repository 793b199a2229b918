"""What commands print: any name as it is, in any terminal, in 80 columns, with the time it took."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.table import Table

from askmask.cli import benchmark, model, output
from askmask.cli.screen import Clock, Screen, command, visible
from askmask.experiments.run.samples_study import SamplesRow
from askmask.loop.predictions import PredictedImage, Predictions
from askmask.progress import Progress
from askmask.records import MetricRow
from result_rows import row

ELEVEN = tuple(
    f"{name} tissue"
    for name in (
        "background", "adipose", "debris", "lymphocytes", "mucus", "smooth muscle", "mucosa",
        "stroma", "adenocarcinoma", "necrotic", "vessel",
    )
)  # fmt: skip


def printed(*things: object, width: int = 80) -> str:
    """What a screen of some columns shows."""
    screen = Screen()
    screen.width, screen.file = width, io.StringIO()
    for thing in things:
        screen.print(thing)
    return screen.file.getvalue()


@pytest.mark.parametrize(
    "name",
    ["tumour [core]", "[/core]", "[bold]", "[red]x[/]", ":smile:", "[link=x]", "\\[a]", "a\\"],
)
def test_names_that_look_like_markup_are_printed_as_they_are(name: str) -> None:
    table = Table("class", title=f"of {name}")
    table.add_row(name)
    assert name in printed(name)
    shown = printed(table)
    assert shown.count(name) == 2


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("bell\x07", "bell\\x07"),
        ("csi\x9b2J", "csi\\x9b2J"),
        ("back\x08", "back\\x08"),
        ("turned\u202egnp.exe", "turned\\u202egnp.exe"),
    ],
)
def test_characters_that_steer_a_terminal_are_printed_as_escapes(name: str, shown: str) -> None:
    table = Table("class")
    table.add_row(name)
    assert printed(name) == shown + "\n"
    assert shown in printed(table)


@pytest.mark.parametrize(
    "name", ["肿瘤 核心", "опухоль", "tumeur à noyau", "a\u3000b", "a\nb", "ぁ"]
)
def test_letters_of_every_script_stay(name: str) -> None:
    assert visible(name) == name


@pytest.mark.parametrize("encoding", ["cp1252", "cp932", "utf-8"])
def test_any_name_is_printed_in_a_terminal_of_any_encoding(tmp_path: Path, encoding: str) -> None:
    name = "肿瘤-é-опухоль-😀 and a byte \udcff that is no letter"
    words = [sys.executable, "-m", "askmask", "status", os.fsencode(name)]
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert b"ProjectError: expected a project in" in done.stderr


def test_a_command_is_quoted_for_the_shell() -> None:
    assert command("tell", Path("my slides/a'b")) == """askmask tell 'my slides/a'"'"'b'"""


def test_a_line_with_a_command_is_not_broken() -> None:
    screen = Screen()
    screen.width, screen.file = 40, io.StringIO()
    screen.say("Next: " + "long/" * 20)
    assert screen.file.getvalue().count("\n") == 1


def test_the_clock_counts_time_by_what_it_was_spent_on(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([3.0, 5.0, 9.0, 10.0])
    monkeypatch.setattr("askmask.cli.screen._LOADED_AT", 0.0)
    monkeypatch.setattr("askmask.cli.screen.time.perf_counter", lambda: next(moments))
    heard: list[Progress] = []
    clock = Clock()
    listener = clock.listening(heard.append)
    clock.lap("loading")
    listener(Progress(1, "train", 1, 2))
    listener(Progress(1, "train", 2, 2))
    clock.lap("saving")
    assert clock.words() == "Time: loading 3.0 s, training 6.0 s, saving 1.0 s."
    assert [report.done for report in heard] == [1, 2]


def fits(text: str) -> bool:
    return max(map(len, text.splitlines())) <= 80 and "…" not in text


def metric_rows(prefixes: tuple[str, ...] = ("",)) -> list[MetricRow]:
    shared = ("nll", "brier", "ece", "mean_dice", "brier_uncertainty", "object_hausdorff")
    rows = [
        MetricRow("validation", group, "all", prefix + metric, 0.1234, 1_234_567_890)
        for group in ("all", "malignant")
        for prefix in prefixes
        for metric in shared
    ]
    classes = [MetricRow("validation", "all", name, "dice", 0.5, 123_456) for name in ELEVEN]
    return rows + classes


def test_scores_of_eleven_classes_fit_eighty_columns() -> None:
    text = printed(output.metric_tables(metric_rows(("", "recalibrated_"))))
    assert fits(text)
    assert all(name in text for name in ELEVEN)
    assert "recalibrated_brier_uncertainty" in text
    assert "1234567890" in text


def test_calibration_shows_the_value_before_and_the_value_after() -> None:
    rows = [
        MetricRow("validation", "malignant", "all", name, value, 10)
        for name, value in [("nll", 0.5123), ("recalibrated_nll", 0.4789), ("brier", 0.3)]
    ]
    text = printed(model.comparison(rows))
    assert fits(text)
    (nll,) = [line.split() for line in text.splitlines() if "NLL" in line]
    assert nll == ["validation", "malignant", "NLL", "0.5123", "0.4789"]
    (brier,) = [line.split() for line in text.splitlines() if "Brier" in line]
    assert brier[-2:] == ["0.3000", model.ABSENT]


@pytest.mark.parametrize("n_classes", [2, 3, 11])
def test_predictions_of_many_classes_fit_eighty_columns(n_classes: int) -> None:
    shares = tuple(index / 55 for index in range(n_classes))
    lines = [PredictedImage("slides/case 7/b.png", 522, 775, shares, 0.9, 0.9, 0.1, 123)]
    text = printed(model.prediction_table(Predictions(lines), ELEVEN[:n_classes]))
    assert fits(text)
    largest = ELEVEN[max(n_classes - 3, 0) : n_classes]
    assert all(word[:6] in text for name in largest for word in name.split())
    assert f"{shares[-1]:.1%}" in text


def test_the_study_of_samples_fits_eighty_columns() -> None:
    metrics = ("mean_dice", "nll", "brier", "ece", "rank_correlation", "seconds")
    rows = [SamplesRow("validation", 30, metric, 0.1234, 8) for metric in metrics]
    text = printed(model.samples_table(rows, 3))
    assert fits(text)
    assert "rank_correlation" in text


def test_the_summary_of_a_run_fits_eighty_columns() -> None:
    rows = [row(acquisition="foreground_predictive_entropy", metric=m) for m in ("nll", "ece")]
    assert fits(printed(benchmark.summary_table(rows)))
