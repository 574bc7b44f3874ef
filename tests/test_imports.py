"""Imports point one way, and the numerics know no interface."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import dr_transformer

PACKAGE = Path(dr_transformer.__file__).parent
HEAVY = ("streamlit", "matplotlib", "umap", "torchvision")
# Each module may import only from modules of lower rank.
RANK = {
    "errors": 0, "paths": 0, "palette": 0, "jobs": 2, "parameters": 1, "nearest": 2, "config": 2, "all_parameters": 3,
    "views": 2, "devices": 1, "collapse": 1, "lanczos": 1, "estimator_rows": 1, "magnitude": 1, "graph_rows": 3,
    "data_rows": 1, "lessons": 4, "data_arrays": 2, "data_tables": 2, "data_files": 3, "data_sources": 4, "data": 5,
    "products": 1, "attention_cuda": 1, "attention_kernels": 2, "attention": 3, "projection": 3, "model": 4,
    "estimators": 6, "landmarks": 5, "process_group": 2, "distributed": 6, "cost": 5, "embed_command": 10,
    "graph": 4, "graph_approximate": 5,
    "spectrum": 5, "laplacian": 6, "power_iterations": 6, "baselines": 5, "graph_store": 6, "umap_gpu": 2,
    "umap_fit": 4, "umap_pipe": 5, "umap_run": 5, "umap_process": 6, "umap_worker": 6, "metrics": 5, "quality": 6,
    "null_data": 6, "replicates": 7, "device_deviation": 7, "gaussian": 1, "exponential_family": 1,
    "gaussian_keys": 2, "energy_distance": 2, "particle_measures": 2, "renormalisation": 3, "hermite_modes": 4,
    "particles": 5, "sweep_grid": 3, "sweep_cache": 7, "sweep": 8, "attention_graph": 6, "attention_spectrum": 7,
    "objective": 7, "alpha_tuning": 7, "inside_run": 10, "variant_run": 10,
    "reparametrisation": 11, "block_charts": 6, "block_variants": 8, "convergence": 8, "phase_reading": 9,
    "phase_chart": 10, "wording": 1, "particle_trajectory": 6, "corollary_run": 3, "theorem_run": 5,
    "run_cost": 9, "embed_config": 3, "embed_table": 8, "baseline_alone": 9,
    "particle_charts": 2, "baseline_estimators": 7,
    "theorem_charts": 6, "figure_config": 2, "saved_settings": 3, "view_frames": 3, "figure_templates": 3,
    "figure_charts": 3, "figure_metadata": 4, "figures": 5, "session_file": 4, "figure_content": 7, "animation": 6,
    "data_export": 6, "reproduce": 6, "figure_command": 11, "export_job": 9, "charts": 5, "chart_table": 5,
    "export": 6, "analysis": 7, "run": 8, "baseline_run": 8, "reality": 8, "measurement": 9, "reference": 3,
    "bench_memory": 1, "bench_peaks": 2, "bench": 3, "bench_transformer": 6, "bench_umap": 6, "bench_large": 7,
    "bench_cases": 7,
    "bench_job": 8, "bench_command": 8, "blob": 1, "canvas_parts": 2, "canvas_source": 1, "canvas_blob": 3,
    "picture": 9, "subset": 8, "alpha_run": 8, "adjacency_run": 9, "spectrum_run": 9, "attention_charts": 9,
    "drawing": 1, "describe": 6, "new_token": 6, "saved_model": 7, "transform_command": 8, "planes": 3,
    "drawn_run": 10, "matrix_tables": 10, "attended_table": 4, "web_page": 5, "run_page": 10, "web_command": 11,
    "training": 11, "diffusion_charts": 12, "training_charts": 13, "cli": 14, "ui": 15,
}  # fmt: skip


def test_numerics_import_no_interface() -> None:
    """One process imports one module after the other: what none has brought, each would not bring alone."""
    modules = [f"dr_transformer{name}" for name in ("", ".estimators", ".data", ".run", ".measurement", ".reality")]
    code = "import importlib, sys\n"
    code += f"for m in {modules}: importlib.import_module(m); print(m, *(h for h in {HEAVY} if h in sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == modules


def test_starting_the_terminal_does_not_load_torch() -> None:
    code = "import dr_transformer.cli, sys; print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


def test_imports_point_one_way() -> None:
    for path in PACKAGE.rglob("*.py"):
        home = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if home in ("__init__", "__main__", "_app"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dr_transformer."):
                other = (node.module or "").split(".")[1]
                assert RANK[other] < RANK[home] or other == home, f"{path.name} imports {other}"
            if isinstance(node, (ast.Import, ast.ImportFrom)) and home != "ui":
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
                assert not any(name.split(".")[0] == "streamlit" for name in names), path


def test_public_names() -> None:
    assert {name for name in dr_transformer.__all__ if getattr(dr_transformer, name).__doc__} == set(
        dr_transformer.__all__
    )
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        dr_transformer.nothing  # noqa: B018
