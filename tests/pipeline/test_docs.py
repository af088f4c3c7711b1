"""The documents say what is so: README examples run, the CLI reference is current."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import readme
from conftest import ROOT

from edge_deploy.cli.reference import reference


def _words(text: str) -> set[str]:
    """Words of the output that do not change from run to run."""
    return set(re.findall(r"[A-Za-z_]{4,}", text))


@pytest.mark.xdist_group("tensorflow")
def test_every_example_in_the_readme_runs_and_prints_what_it_says(tmp_path: Path) -> None:
    readme.prepare(tmp_path)
    examples = readme.blocks(readme.README.read_text("utf-8"))
    assert len(examples) >= 8
    for language, text in examples:
        result = readme.run_example(language, text, tmp_path)
        assert result.returncode == 0, (text.splitlines()[0], result.stderr)
        if language == "console":
            shown = "\n".join(text.splitlines()[1:])
            assert shown.strip(), f"no output is shown for {text}"
            missing = _words(shown) - _words(result.stdout)
            # A figure may come with another unit or operator; the rest must be there.
            assert len(missing) <= 0.1 * len(_words(shown)), (text.splitlines()[0], missing)


def test_the_command_line_reference_is_current() -> None:
    written = (ROOT / "docs" / "cli.md").read_text("utf-8")
    assert written == reference(), "run `make docs`"


def test_links_in_the_documents_lead_somewhere() -> None:
    for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("assets/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text("utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_budget_in_the_readme_is_the_one_in_the_assets() -> None:
    shown = re.search(r"# assets/budget-digits.toml\n(.*?)```", readme.README.read_text(), re.S)
    assert shown is not None
    assert shown.group(1).strip() in (ROOT / "assets" / "budget-digits.toml").read_text()


def test_the_page_on_files_names_every_key() -> None:
    from dataclasses import fields

    from edge_deploy_converters.recipes import Recipe
    from edge_deploy_runner.contract import PRESETS, Preprocessing

    from edge_deploy.budget import METRICS

    page = (ROOT / "docs" / "files.md").read_text("utf-8")
    keys = {*METRICS, *PRESETS, *(f.name for f in fields(Recipe)), *Preprocessing._fields}
    missing = [key for key in keys - {"source"} if key not in page]
    assert not missing
