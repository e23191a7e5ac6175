"""Look at every page of the built book with Lighthouse, as a phone and as a desk would meet it.

    .venv/bin/python tests/audit.py [--runs 3] [--page 04 …]

The phone has a slow connection (simulated slow 4G) and a processor four times as slow as this machine; pages come
compressed. Of each number the median of the runs counts. A page below a bar is an error, and so is a chapter of more
than 120 kB. Nothing else should run meanwhile.
"""

import argparse
import gzip
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

from tqdm import tqdm

from helpers.browser import FLAGS, ROOT, Quiet, find, serve

HTML = ROOT / "_build/html"
LIGHTHOUSE = "lighthouse@12.8.2"
BARS = {"mobile": 95, "desktop": 98}  # of performance; of the other categories 100
OTHERS = ["accessibility", "best-practices", "seo"]
SHIFT, WEIGHT = 0.02, 120_000
TEXT = (".html", ".css", ".js", ".json", ".svg")


class Compressed(Quiet):
    """Files as a web host sends them: text compressed."""

    def send_head(self):
        path = Path(self.translate_path(self.path))
        if "gzip" not in self.headers.get("Accept-Encoding", "") or path.suffix not in TEXT or not path.is_file():
            return super().send_head()
        body = gzip.compress(path.read_bytes())
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return io.BytesIO(body)


def look(address, form):
    """What Lighthouse says of a page: the scores of its categories, and three numbers behind the first."""
    npx = Path(sys.executable).with_name("npx")
    command = [npx, "--yes", LIGHTHOUSE, address, "--quiet", "--output=json", f"--chrome-flags={' '.join(FLAGS)}"]
    command += [
        f"--only-categories=performance,{','.join(OTHERS)}",
        *(["--preset=desktop"] if form == "desktop" else []),
    ]
    env = os.environ | {"CHROME_PATH": find(), "PATH": f"{npx.parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    if done.returncode:
        sys.exit(f"Lighthouse stopped at {address}:\n{done.stderr[-2000:]}")
    said = json.loads(done.stdout)
    found = {name: 100 * said["categories"][name]["score"] for name in ["performance", *OTHERS]}
    numbers = {
        "paint": "largest-contentful-paint",
        "blocked": "total-blocking-time",
        "shift": "cumulative-layout-shift",
    }
    return found | {name: said["audits"][audit]["numericValue"] for name, audit in numbers.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--page", nargs="*", default=[""], help="only pages whose address has one of these in it")
    args = parser.parse_args()
    if not (HTML / "index.html").exists():
        sys.exit(f"There is no book in {HTML}; run `make book` first.")
    pages = sorted(path for path in HTML.rglob("*.html") if "_static" not in path.parts and path.name != "index.html")
    pages = [path for path in pages if any(part in path.as_posix() for part in args.page)]
    jobs, low = [(page, form) for page in pages for form in BARS], []
    heads = f"{'perf':>5} {'a11y':>5} {'best':>5} {'seo':>5} {'paint, s':>9} {'blocked, ms':>12} {'shift':>6} {'kB':>5}"
    print(f"{'page':46} {'':8} {heads}")
    with serve(HTML, Compressed) as address:
        for page, form in tqdm(jobs, desc="pages"):
            name = page.relative_to(HTML).as_posix()
            runs = [look(f"{address}/{name}", form) for _ in range(args.runs)]
            row = {key: median(run[key] for run in runs) for key in runs[0]}
            weight = len(gzip.compress(page.read_bytes()))
            scores = [row["performance"], *(row[name] for name in OTHERS)]
            tqdm.write(
                f"{name:46} {form:8} "
                + " ".join(f"{score:5.0f}" for score in scores)
                + f" {row['paint'] / 1000:9.1f} {row['blocked']:12.0f} {row['shift']:6.3f} {weight / 1000:5.0f}",
                file=sys.stdout,
            )
            bad = [f"performance {scores[0]:.0f}"] * (scores[0] < BARS[form])
            bad += [f"{other} {row[other]:.0f}" for other in OTHERS if row[other] < 100]
            bad += [f"shift {row['shift']:.3f}"] * (row["shift"] > SHIFT)
            bad += [f"{weight / 1000:.0f} kB"] * (name.startswith("notebooks/") and weight > WEIGHT)
            low += [f"{name}, {form}: {', '.join(bad)}"] * bool(bad)
    if low:
        sys.exit("\n".join(["", "Below the bar:", *low]))


if __name__ == "__main__":
    main()
