"""The house rules on imports, read off the syntax tree (lazy imports inside functions included)."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = ("rlcheck", "property_tests", "ladders", "reference_agents")
FORBIDDEN = {
    # Agreement of the reference agents with an oracle means something only if neither knows the other.
    "reference_agents": {"rlcheck", "property_tests", "ladders", "scipy", "hypothesis"},
    "property_tests": {"ladders", "reference_agents", "gymnasium", "torch", "stable_baselines3"},
    "ladders": {"property_tests", "reference_agents", "torch", "stable_baselines3"},
    "rlcheck": {"property_tests", "ladders", "reference_agents"},
}


def imported(path: Path) -> set[str]:
    """Top-level packages that a file imports, at any depth."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("package", OURS)
def test_packages_import_in_one_direction_only(package):
    wrong = {}
    for path in files(package):
        name = str(path.relative_to(ROOT))
        broken = imported(path) & FORBIDDEN[package]
        if broken:
            wrong[name] = sorted(broken)
    assert not wrong


def test_every_package_has_files_to_look_at():
    assert all(len(files(package)) >= 3 for package in OURS)


def test_importing_rlcheck_and_its_plugin_is_light():
    code = (
        "import sys, rlcheck, rlcheck.pytest_plugin;"
        "names = ('numpy', 'torch', 'hypothesis', 'gymnasium', 'rich', 'scipy');"
        "print([m for m in names if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
