"""What the machine can do: read off, measured, and refused where it cannot."""

import platform
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from askmask.config import Config
from askmask.errors import ConfigError
from askmask.runtime import doctor
from askmask.runtime.compute import configure, keep_freed_memory

Build = Callable[..., Config]
ROOT = Path(__file__).parent.parent


def test_threads_of_the_config_are_set(disc_config: Build) -> None:
    assert configure(disc_config(threads=1)).type == "cpu"
    assert torch.get_num_threads() == 1


def test_no_threads_in_the_config_leaves_them_alone(disc_config: Build) -> None:
    before = torch.get_num_threads()
    configure(disc_config(threads=None))
    assert torch.get_num_threads() == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_asking_for_a_gpu_where_there_is_none_says_so(disc_config: Build) -> None:
    with pytest.raises(ConfigError, match="expected a CUDA device .* found none"):
        configure(disc_config(device="cuda"))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_freed_memory_is_used_again_without_new_pages() -> None:
    script = """
import resource, torch
from askmask.runtime.compute import keep_freed_memory
pages = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
assert keep_freed_memory()
torch.ones(2**24)
before = pages()
torch.ones(2**23)
print(pages() - before)
"""
    run = [sys.executable, "-c", script]
    done = subprocess.run(run, capture_output=True, text=True, check=True, timeout=60)
    assert int(done.stdout) < 2**23 * 4 // 4096 // 10  # else every page of the tensor


def test_a_c_library_without_the_setting_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    assert not keep_freed_memory()


def test_diagnosis_measures_speed_and_finds_weights(tmp_path: Path) -> None:
    weights = tmp_path / "w.safetensors"
    weights.touch()
    found = doctor.diagnose(weights, tmp_path)
    assert found.weights == str(weights)
    assert found.cores >= 1
    assert min(found.gflops_fp32, found.gflops_bf16, found.disk_free_gib) > 0
    assert found.bf16_pays == (found.gflops_bf16 > 1.2 * found.gflops_fp32)


def test_absent_weights_and_packages_are_told_as_absent(tmp_path: Path) -> None:
    assert doctor.diagnose(tmp_path / "none").weights is None
    assert doctor.package_version("no-such-package-anywhere") == "not installed"


def test_extra_that_lacks_a_package_is_told_with_its_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = [
        "numpy>=2.0",
        "pillow>=11.0; extra == 'web'",
        'no-such-package_anywhere[all]<2,>=1; python_version < "3.13" and extra == "web"',
        "torch>=2.6; extra == 'codecs'",
    ]
    monkeypatch.setattr(doctor, "requires", lambda name: lines)
    monkeypatch.setattr(doctor, "EXTRAS", ("web", "codecs", "unheard-of"))
    offered = {"Provides-Extra": ["web", "codecs", "dev"]}
    monkeypatch.setattr(doctor, "metadata", lambda name: SimpleNamespace(get_all=offered.get))

    assert doctor.extras() == {
        "web": "pip install 'askmask[web]' (missing: no-such-package_anywhere)",
        "codecs": "installed",
    }


def test_doctor_looks_for_every_extra_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for_developers = {"all", "dev", "docs"}

    assert set(project["optional-dependencies"]) - for_developers <= set(doctor.EXTRAS)
