"""From what a user types to the object itself, and the contract that it is meant to fulfil."""

from __future__ import annotations

import sys

import pytest

from rlcheck import targets
from rlcheck.engine import session
from rlcheck.errors import TargetError, UsageError
from rlcheck.inference import infer_contract
from rlcheck.subjects import EnvironmentId, SavedModel, ScriptCommand, SubjectSpec


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A user's folder, from which rlcheck is started."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    (tmp_path / "training_code.py").write_text(
        "class Holder:\n    @staticmethod\n    def inner(x):\n        return x\n"
        "def compute_gae(rewards, values):\n    return rewards\n"
        "def make_agent(env, *, seed):\n    return None\n"
    )
    return tmp_path


def test_modules_of_the_working_directory_are_found(project):
    assert targets.load("training_code:compute_gae").__name__ == "compute_gae"
    assert targets.load("training_code:Holder.inner")(3) == 3


def test_a_file_is_loaded_by_its_path(project, monkeypatch):
    folder = project / "deep"
    folder.mkdir()
    (folder / "helper.py").write_text("VALUE = 5\n")
    (folder / "user_code.py").write_text("from helper import VALUE\ndef f():\n    return VALUE\n")
    assert targets.load("deep/user_code.py:f")() == 5


def test_a_file_in_a_package_keeps_its_relative_imports(project):
    package = project / "users_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "helper.py").write_text("VALUE = 6\n")
    (package / "code_file.py").write_text("from .helper import VALUE\ndef f():\n    return VALUE\n")
    loaded = targets.load(f"{package / 'code_file.py'}:f")
    assert (loaded(), loaded.__module__) == (6, "users_package.code_file")


def test_a_file_named_like_a_loaded_module_is_still_the_file(project):
    (project / "random.py").write_text("def f():\n    return 'mine'\n")
    assert targets.load("random.py:f")() == "mine"
    assert hasattr(sys.modules["random"], "Random")


def test_environment_ids_models_and_names(project):
    assert targets.load("CartPole-v1") == EnvironmentId("CartPole-v1")
    (project / "model.zip").write_text("")
    assert targets.load("model.zip") == SavedModel("model.zip")
    (project / "users_envs.py").write_text(
        "import gymnasium\ngymnasium.register('Users-v0', entry_point='users_envs:Env')\n"
    )
    assert targets.load("users_envs:Users-v0") == EnvironmentId("users_envs:Users-v0")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("training_cod:compute_gae", "no module 'training_cod' .*did you mean 'training_code'"),
        ("training_code:compute_gea", "training_code has no attribute 'compute_gea'; did you mean"),
        ("training_code:Holder.iner", "training_code:Holder has no attribute 'iner'.*'inner'"),
        ("training_code:", "names no attribute after the colon"),
        ("training_cod.py:f", "no file training_cod.py; did you mean 'training_code.py'"),
        ("training_code.py", "needs the name of a function or class.*'?compute_gae"),
        ("CartPoll-v1", "Gymnasium has no environment 'CartPoll-v1'; did you mean 'CartPole-v1'"),
        ("nothing-like-it", "cannot find the target 'nothing-like-it'"),
        ("raising:f", r"importing module 'raising' raised ZeroDivisionError: .*\(raising.py:2 in "),
        ("syntax:f", r"raised|syntax.py:1 is not valid Python"),
        ("needy:f", "needs the module 'no_such_dependency', which is not installed here"),
        ("exits:f", r"called sys.exit\(3\).*under `if __name__"),
        ("json.nothing:f", "no module 'nothing' in 'json'"),
        ("", "a target is empty"),
    ],
)
def test_what_cannot_be_loaded_is_explained(project, target, message):
    (project / "raising.py").write_text("import json\nx = 1 / 0\n")
    (project / "syntax.py").write_text("def f(:\n")
    (project / "needy.py").write_text("import no_such_dependency\n")
    (project / "exits.py").write_text("import sys\nsys.exit(3)\n")
    with pytest.raises(TargetError, match=message) as caught:
        targets.load(target)
    assert "\n" not in str(caught.value)


def test_a_path_that_exists_is_a_log(project, monkeypatch):
    monkeypatch.setattr(targets.contracts, "names", lambda: ["agent", "gae"])
    (project / "runs").mkdir()
    with pytest.raises(TargetError, match="runs is a path, hence a training log, and no installed"):
        targets.load("runs")


def test_a_users_folder_with_our_name_is_told(project):
    (project / "ladders").mkdir()
    (project / "mine.py").write_text("def identity(x):\n    return x\n")
    report = session.run([SubjectSpec("m", "mine:identity", "toy")], isolate=False)
    expected = "is hidden by rlcheck's own package 'ladders'"
    assert any(expected in note for note in report.subjects[0].notes)


def test_a_folder_that_stands_in_for_ours_is_refused(project, monkeypatch):
    (project / "ladders").mkdir()
    (project / "ladders" / "__init__.py").write_text("")
    monkeypatch.delitem(sys.modules, "ladders", raising=False)
    sys.path.insert(0, str(project))
    with pytest.raises(UsageError, match="shadows rlcheck's own package 'ladders'; rename it"):
        targets.load("training_code:compute_gae")


def test_contracts_are_inferred(project):
    class Agent:
        def learn(self, total_timesteps): ...
        def predict(self, observation): ...

    def identity_like(x): ...

    assert infer_contract(EnvironmentId("X-v0"), "X-v0") == "environment"
    assert infer_contract(ScriptCommand("python x.py"), "script") == "agent"
    assert infer_contract(Agent, "Agent") == "agent"
    assert infer_contract(targets.load("training_code:make_agent"), "make_agent") == "agent"
    assert infer_contract(identity_like, "f") == "toy"
    with pytest.raises(
        UsageError, match=r"cannot tell what f \(a function of \(q\)\).*--as CONTRACT"
    ):
        infer_contract(lambda q: q, "f")
    with pytest.raises(UsageError, match=r"a class without `learn`|could be a subject"):
        infer_contract(dict, "dict")
