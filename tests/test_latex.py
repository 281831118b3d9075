"""The leaderboard as LaTeX: every table is whole, every sign is one that LaTeX can set."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from boards import closed, failed, row, versus

from dfdbench import leaderboard
from dfdbench.leaderboard import Board, published
from dfdbench.leaderboard.latex import SETS, escape, to_latex
from dfdbench.leaderboard.published import Published


def board(tests: int = 7) -> Board:
    """Every mark that there is, published figures, and more columns than fit beside each other."""
    rows: list[dict[str, Any]] = []
    for n in range(tests):
        rows += [row("ln_norm", f"set_{n}", auroc=0.9), row("ln", f"set_{n}", auroc=0.89)]
        rows += [closed("vendor", f"set_{n}", auroc=0.95)]
        rows += [row("cheat", f"set_{n}", fit={"selected_on": "test"}, auroc=0.99)]
    rows += [row("ln_norm", "set_0", seed=2, auroc=0.92), failed("broken", "set_0")]
    rows[1]["leak"] = "set_0 shares 1 videos (50 % of 2 & more) with train of train set ffpp"
    said = Published(
        files=("yermakov2025",), train_sets={"ffpp": ("FF++_c23",)},
        test_sets={"set_1": ("Celeb-DF-v2",)}, detectors={"ln": ("CLIP-L14 LN-tuning only",)},
    )  # fmt: skip
    reported = {"figures": published.figures(said), "notes": ["50 % → more_or_less"]}
    return leaderboard.rank(rows, "b", [versus("ln", "ln_norm", "set_3")], reported)


def tabulars(text: str) -> list[tuple[str, list[str]]]:
    """The alignment and the rows of each table, without what stands in a cell of its own table."""
    inner = re.sub(r"\\begin\{tabular\}\[t\].*?\\end\{tabular\}", "X", text)
    found = re.findall(r"\\begin\{tabular\}\{(\w+)\}\n(.*?)\\end\{tabular\}", inner, re.S)
    return [(align, [x for x in body.splitlines() if x.endswith(r"\\")]) for align, body in found]


def test_every_row_has_as_many_cells_as_its_table_has_columns() -> None:
    found = tabulars(to_latex(board()))
    assert len(found) == 4  # two of our lines and two of published ones: seven sets, five abreast
    for align, lines in found:
        assert len(lines) > 1
        assert {len(re.findall(r"(?<!\\)&", line)) for line in lines} == {len(align) - 1}


def test_every_table_has_the_rules_of_booktabs() -> None:
    text = to_latex(board())
    for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
        assert text.count(rule) == 4
    assert text.count(r"\begin{") == text.count(r"\end{")
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")


def test_figures_and_marks_are_those_of_the_board() -> None:
    text = to_latex(board())
    assert r"\textbf{91.0} $\pm$ 1.4\\[-2pt]{\tiny [85.0, 95.0]}" in text
    assert r"89.0$\approx$\\" in text and r"89.0$^{\S}$\\" in text
    assert r"cheat$^{\dagger}$ &" in text and "vendor ? &" in text
    assert r"94.88\\[-2pt]{\tiny ($-5.9$)}" in text
    assert "%" not in re.sub(r"\\%", "", text.partition("\n\n")[2])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ln_norm & 50 % #1", r"ln\_norm \& 50 \% \#1"),
        (r"a\b{c}$d^e~f", r"a\textbackslash{}b\{c\}\$d\textasciicircum{}e\textasciitilde{}f"),
        ("§ † ‡ ≈ ≠ ±", r"$^{\S}$ $^{\dagger}$ $^{\ddagger}$ $\approx$ $\neq$ $\pm$"),
        ("Čech, Jiří", "Čech, Jiří"),
        ("→ ł", "[U+2192] [U+0142]"),
        ("a\nb", "a b"),
    ],
)
def test_texts_are_shown_literally(text: str, shown: str) -> None:
    assert escape(text) == shown


def test_test_sets_that_do_not_fit_follow_in_a_further_table() -> None:
    (first, lines), (second, more) = tabulars(to_latex(board()))[:2]
    assert first.count("l") - 1 == SETS and second.startswith("l" * 3)
    assert "Mean & Rank" not in lines[0] and "Mean & Rank" in more[0]
    assert r"set\_4" in lines[0] and r"set\_5" in more[0]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_latex_sets_it_without_a_complaint(tmp_path: Path) -> None:
    (tmp_path / "leaderboard.tex").write_text(to_latex(board()), encoding="utf-8")
    (tmp_path / "paper.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs}\n"
        "\\begin{document}\n\\input{leaderboard}\n\\end{document}\n",
        encoding="utf-8",
    )
    run = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-2000:]
    assert (tmp_path / "paper.pdf").stat().st_size > 10_000
