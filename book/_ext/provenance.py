"""What a build depends on: results are recomputed when any of it changes, and the colophon names it."""

import hashlib
import os
import platform
from importlib.metadata import distributions
from pathlib import Path

from helpers.seed import seed

NAMED = [
    "torch",
    "numpy",
    "scipy",
    "matplotlib",
    "ipywidgets",
    "jupyter-book",
    "sphinx",
    "myst-nb",
    "sphinx-book-theme",
]


def record(app, config):
    versions = {d.name.lower(): d.version for d in distributions()}
    root = Path(app.confdir)
    used = sorted((root / "src" / "helpers").glob("*"))
    used += sorted((root / "notebooks").glob("*.safetensors"))  # chapter 7 loads them
    used += [root / "book/assets/notranslate-math.js", root / "book/assets/translator.js"]  # chapter 8 runs them
    used += sorted((root / "tests" / "engines").glob("*.*"))
    parts = [platform.python_version(), platform.machine(), sorted(versions.items()), seed()]
    parts += [(path.name, path.read_bytes()) for path in used if path.is_file()]
    config.provenance = hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    # A cache that outlives its environment would show results of code that is gone: one cache for each environment.
    config.nb_execution_cache_path = str(Path(app.outdir).parent / ".jupyter_cache" / config.provenance)

    rows = [("Python", platform.python_version())] + [(name, versions[name]) for name in NAMED]
    table = "| built with | version |\n| --- | --- |\n" + "\n".join(f"| {name} | {version} |" for name, version in rows)
    config.myst_substitutions = {
        "versions": table,
        "seed": str(seed()),
        "machine": f"{platform.system()} {platform.machine()}",
    }


def setup(app):
    os.environ.setdefault("TQDM_DISABLE", "1")  # progress bars are for people, not for pages
    app.add_config_value("provenance", "", "env")  # "env": a change reads, and so runs, every page anew
    app.connect("config-inited", record, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
